import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def until_stopped() -> Generator[None]:
    """The context ends, without an error, at the first SIGINT, SIGTERM or SIGHUP.

    From its end on, whatever the reason, these signals are ignored, so that stopping is never cut short.
    """
    for number in STOP_SIGNALS:
        # nohup ignores SIGHUP for its command; a background job of a shell has SIGINT ignored, and still
        # whoever sends it one by hand means it.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        _ignore_stop_signals()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _ignore_stop_signals()
    raise KeyboardInterrupt


def _ignore_stop_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
