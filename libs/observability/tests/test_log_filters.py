import asyncio
import io
import json
import logging

from observability.log_filters import Seldom


def _fail_with(error: BaseException) -> None:
    # As uvicorn does.
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=error)


def test_a_request_that_is_cut_off_is_one_line(log: io.StringIO) -> None:
    _fail_with(asyncio.CancelledError("Task cancelled, timeout graceful shutdown exceeded"))
    line = json.loads(log.getvalue())
    assert (line["level"], line["event"]) == ("warning", "request cut off, as the service stops")
    assert "exception" not in line


def test_other_failures_keep_their_traceback(log: io.StringIO) -> None:
    _fail_with(ZeroDivisionError())
    line = json.loads(log.getvalue())
    assert line["level"] == "error"
    assert "ZeroDivisionError" in line["exception"]


def test_what_says_the_same_over_and_over_is_heard_seldom() -> None:
    clock = iter([0.0, 0.0, 0.0, 299.9, 300.0, 599.9, 600.0])
    seldom = Seldom(300, lambda: next(clock))
    record = logging.makeLogRecord({})
    assert [seldom.filter(record) for _ in range(6)] == [True, False, False, True, False, True]
