import os
import re
from contextlib import suppress
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

_LIVE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


def forget_dead_workers(folder: str) -> None:
    """Take what is true only while a process lives out of the sums of `folder`, for those that do not.

    Their counters stay: what they counted has happened. The server that starts the workers tells nobody that
    one is gone, so it is looked up here.
    """
    pids = {int(found[1]) for file in Path(folder).iterdir() if (found := _LIVE.fullmatch(file.name))}
    for pid in pids:
        if not _is_alive(pid):
            # Another scrape, in this process or in another one, may remove the same files right now.
            with suppress(FileNotFoundError):
                mark_process_dead(pid, folder)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
