from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from coldquery.errors import Refused
from coldquery.statements.parsing import MAX_CHARACTERS, MAX_RUN, parse


def _refusal(sql: str) -> Refused:
    with pytest.raises(Refused) as raised:
        parse(sql)
    return raised.value


def test_one_statement_keeps_its_text_and_tells_its_node() -> None:
    statement = parse("-- a\nselect 1; ")
    assert (statement.sql, statement.node) == ("-- a\nselect 1; ", "SelectStmt")
    assert "targetList" in statement.tree


@pytest.mark.parametrize("sql", ["", " \n", ";", "-- nothing", "/* nothing */ ;;"])
def test_text_without_a_statement_is_refused(sql: str) -> None:
    assert "no statement" in _refusal(sql).message


def test_several_statements_are_refused_with_the_place_of_the_second() -> None:
    refusal = _refusal("select 'é';select 2")
    assert refusal.message.startswith("There are 2 statements")
    assert refusal.hint is not None
    assert "transaction" in refusal.hint


def test_a_syntax_error_has_its_position_in_characters_from_1() -> None:
    refusal = _refusal("select 'é' frm x y")
    assert (refusal.message, refusal.position) == ('syntax error at or near "x"', 16)
    assert refusal.sqlstate == "42601"


def test_a_syntax_error_at_the_end_has_no_position() -> None:
    refusal = _refusal("select 1 where")
    assert (refusal.message, refusal.position) == ("syntax error at end of input", None)


def test_a_nul_is_refused_with_its_position() -> None:
    assert _refusal("select 1\0; drop table x").position == 9


def test_half_of_a_surrogate_pair_is_refused_with_its_position() -> None:
    assert _refusal("select '\ud800'").position == 9


def test_a_statement_may_be_as_long_as_the_limit() -> None:
    sql = "select 1".ljust(MAX_CHARACTERS)
    assert parse(sql).reads
    assert f"{MAX_CHARACTERS + 1} characters" in _refusal(sql + " ").message


@pytest.mark.parametrize(
    "sql",
    [
        "select " + "+".join(["1"] * 25_000),
        "select " + "(" * 5_000 + "1" + ")" * 5_000 + "".join(["+(1"] * 8_000) + ")" * 8_000,
        "select " + "case when true then " * 2_000 + "1" + " end" * 2_000,
        "select " + "not " * 20_000 + "true",
        "select " + "array[" * 9_000 + "1" + "]" * 9_000,
        "select * from " + "(select * from " * 4_000 + "x" + ") a" * 4_000,
        "with a as (" * 2_000 + "select 1" + ") select 1" * 2_000,
        "select " + "a + " * 10_000 + "(" * 8_000 + "b" + ")" * 8_000,
    ],
)
def test_what_is_too_deep_is_refused_and_nothing_breaks(sql: str) -> None:
    assert "nested too deeply" in _refusal(sql).message
    assert parse("select 1").reads


def test_expressions_and_unions_of_a_hundred_terms_are_taken() -> None:
    assert parse("select " + " || ".join(["a"] * 100)).reads
    assert parse(" union all ".join(["select 1"] * 100)).reads


def test_what_is_long_but_flat_is_taken() -> None:
    assert parse(f"select 1 where 1 in ({', '.join(['1'] * 30_000)})").reads


@examples(max_examples=50)
@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with suppress(Refused):
        assert parse(text).node


@examples(max_examples=50)
@given(st.text(st.characters(exclude_characters="'\0", exclude_categories=["Cs"])))
def test_whatever_is_in_a_string_is_no_statement(text: str) -> None:
    assert parse(f"select '{text}'").reads


@pytest.mark.parametrize("run", ["+", "/**/", "/*"])
def test_what_would_keep_the_scanner_busy_is_refused_before(run: str) -> None:
    assert "next to each other" in _refusal(f"select {run * (MAX_RUN + 1)}1").message


def test_a_long_ruler_in_a_comment_is_no_trouble() -> None:
    ruler = "-" * MAX_RUN
    assert parse(f"{ruler}\n-- {'=' * MAX_RUN}\nselect 1 /* {ruler[4:]} */").node == "SelectStmt"
