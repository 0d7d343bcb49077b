"""What the audit log gets."""

import pytest
from structlog.testing import capture_logs

from coldquery.audit import LoggedAudit
from coldquery.caller import Caller
from coldquery.statements.parsing import parse

CALLER = Caller("writer", may_write=True)
SESSION = "abcdefghijkl"


def test_a_write_is_told_with_its_key_and_rows_and_what_does_not_give_the_session_away() -> None:
    with capture_logs() as logged:
        LoggedAudit().wrote(CALLER, SESSION, parse("delete from purchase"), 3)
    assert logged == [
        {
            "event": "write",
            "log_level": "info",
            "key_id": "writer",
            "session": "abcdefgh",
            "statement": "delete from purchase",
            "rows": 3,
        }
    ]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("PostgreSQL is starting or stopping.", "PostgreSQL is starting or stopping."),
        (
            'params[0]: invalid input syntax for type integer: "hunter2"',
            'params[0]: invalid input syntax for type integer: "…"',
        ),
        (
            'invalid input syntax for type integer: "a"hunter2"b"',
            'invalid input syntax for type integer: "…"',
        ),
        (
            "ungültige Eingabesyntax für Typ integer: »hunter2«",
            'ungültige Eingabesyntax für Typ integer: "…"',
        ),
        ("syntaxe invalide : « hunter2\n »", 'syntaxe invalide : "…"'),
    ],
)
def test_the_reason_of_a_failure_is_told_without_the_values_in_it(reason: str, told: str) -> None:
    with capture_logs() as logged:
        LoggedAudit().failed(CALLER, None, "COMMIT", reason)
    assert (logged[0]["reason"], logged[0]["event"]) == (told, "write_failed")
