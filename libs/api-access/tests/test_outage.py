from unittest.mock import Mock

from structlog.testing import capture_logs

from api_access import Outage


def test_a_server_that_failed_is_asked_once_a_second_until_it_answers() -> None:
    clock = Mock(return_value=0.0)
    outage = Outage("gone", "back", clock)
    assert [outage.may_ask() for _ in range(3)] == [True, True, True]
    outage.note_failure(OSError())
    asked: list[bool] = []
    for clock.return_value in (0.0, 0.99, 1.0, 1.01, 1.99, 2.0):
        asked.append(outage.may_ask())
    assert asked == [False, False, True, False, False, True]
    outage.note_success()
    assert [outage.may_ask() for _ in range(3)] == [True, True, True]


def test_an_outage_is_logged_when_it_begins_and_when_it_ends_without_what_the_error_says() -> None:
    outage = Outage("gone", "back", Mock(return_value=0.0))
    with capture_logs() as logs:
        outage.note_success()
        for _ in range(3):
            outage.note_failure(OSError("redis://:canary@host"))
        outage.note_success()
        outage.note_success()
    assert logs == [
        {"event": "gone", "error": "OSError", "log_level": "warning"},
        {"event": "back", "log_level": "info"},
    ]
