import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address


class NameLookup:
    """Looks up names of hosts in threads of its own, `places` at once.

    Those of the event loop are few, and names that nobody answers for would keep them from all the others. So
    a name is looked up there only after it was found here.
    """

    def __init__(
        self, places: int, look_up: Callable[[str, int | None], object] = socket.getaddrinfo
    ) -> None:
        self._threads = ThreadPoolExecutor(places, thread_name_prefix="name lookup")
        self._look_up = look_up

    async def check(self, host: str, port: int | None) -> None:
        """Raises OSError or UnicodeError if there is no address by that name."""
        if not _is_address(host):
            await asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, host, port)

    def close(self) -> None:
        """Look up no more; what is under way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
