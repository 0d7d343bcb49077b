from typing import Any

import pytest
from cq_corpus import CORPUS, entries, load

from coldquery.errors import Refused
from coldquery.statements import kinds
from coldquery.statements.parsing import parse
from coldquery.statements.reading import require_read

QUESTIONS = ["outside_transaction", "transaction_control", "copies", "creates", "alters"]
WRITES = load(CORPUS / "writes" / "kinds.yaml")
SECRETS = load(CORPUS / "writes" / "secrets.yaml")


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry["sql"]) for entry in WRITES])
def test_what_is_more_than_a_read_is_known_by_its_kind(entry: dict[str, Any]) -> None:
    statement = parse(entry["sql"])
    assert not statement.reads
    assert [name for name in QUESTIONS if getattr(kinds, name)(statement)] == [
        name for name in QUESTIONS if name in entry["is"]
    ]


@pytest.mark.parametrize("entry", entries("analytics"))
def test_an_honest_read_reads_by_its_syntax_and_is_nothing_else(entry: dict[str, Any]) -> None:
    statement = parse(entry["sql"])
    assert statement.reads
    assert not any(getattr(kinds, name)(statement) for name in QUESTIONS)


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        ("delete from customer", "DELETE is not a read", "`session_id`"),
        ("create table x ()", "CREATE is not a read", "`autocommit: true`"),
        ("create extension x", "CREATE EXTENSION is not a read", "`write`"),
        ("with a as (delete from b returning *) table a", "DELETE in a WITH is not a read", "`write`"),
        ("select * into a from b", "SELECT INTO is not a read", "`write`"),
        ("select * from a for update", "SELECT FOR UPDATE or SHARE is not a read", "Leave out FOR UPDATE"),
        ("commit", "Transaction control is not a read", "`pg_tx`"),
        ("copy a to program 'x'", "COPY is not a read", "read with SELECT"),
        ("explain analyze delete from a", "EXPLAIN ANALYZE of DELETE is not a read", "Leave out ANALYZE"),
        ("explain create table a as select 1", "EXPLAIN of CREATE TABLE AS is not a read", "`write`"),
    ],
)
def test_a_refusal_says_what_it_is_and_what_does_it(sql: str, message: str, hint: str) -> None:
    with pytest.raises(Refused) as raised:
        require_read(parse(sql))
    assert message in raised.value.message
    assert hint in str(raised.value.hint)


@pytest.mark.parametrize("sql", SECRETS)
def test_a_credential_does_not_reach_the_log(sql: str) -> None:
    logged = kinds.loggable(parse(sql))
    assert "hunter2" in sql
    assert "hunter2" not in logged
    assert logged.startswith(sql.split(maxsplit=1)[0])


def test_only_the_constants_are_replaced() -> None:
    logged = kinds.loggable(parse("alter role \"größe\" /* x */ password 'a''b' valid until $$2030$$"))
    assert logged == "alter role \"größe\"  password '…' valid until '…'"


def test_what_holds_no_credential_is_logged_as_it_came() -> None:
    sql = "insert into customer (id, name) values (1, 'né') -- new"
    assert kinds.loggable(parse(sql)) == sql


@pytest.mark.parametrize(("letters", "cut"), [(4096, False), (4097, True)])
def test_a_log_has_at_most_4_kib_of_a_statement(letters: int, cut: bool) -> None:
    sql = "select 1 --".ljust(letters, "x")
    logged = kinds.loggable(parse(sql))
    assert len(logged.encode()) <= 4096
    assert logged.endswith("…") is cut
    assert (logged == sql) is not cut


def test_a_log_is_not_cut_within_a_character() -> None:
    logged = kinds.loggable(parse("select '" + "é" * 4000 + "'"))
    assert logged.endswith("é…")
    assert 4090 < len(logged.encode()) <= 4096
