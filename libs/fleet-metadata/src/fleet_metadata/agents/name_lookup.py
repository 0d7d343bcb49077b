import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Future
from ipaddress import ip_address
from threading import Thread


class NameLookup:
    """Looks up names of hosts, each in a thread of its own that nobody has to wait for.

    The threads of the event loop are few, and names that nobody answers for would keep them from all others. So a
    name is looked up there only after it was found here. A name that is being looked up is not looked up again.
    """

    def __init__(self, look_up: Callable[[str, int | None], object] = socket.getaddrinfo) -> None:
        self._look_up = look_up
        self._under_way: dict[str, Future[None]] = {}

    async def check(self, host: str, port: int | None) -> None:
        """Raises OSError or UnicodeError if there is no address by that name."""
        if _is_address(host):
            return
        run = self._under_way.get(host)
        if run is None:
            run = self._under_way[host] = Future()
            # From here on, one who stops waiting cancels it for nobody else.
            run.set_running_or_notify_cancel()
            Thread(target=self._work, args=(run, host, port), name=f"looking up {host}", daemon=True).start()
        await asyncio.wrap_future(run)

    def _work(self, run: "Future[None]", host: str, port: int | None) -> None:
        try:
            self._look_up(host, port)
        except (OSError, UnicodeError) as failed:
            outcome: Exception | None = failed
        else:
            outcome = None
        # Before anybody hears of it: who asks from then on wants another look.
        del self._under_way[host]
        if outcome:
            run.set_exception(outcome)
        else:
            run.set_result(None)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
