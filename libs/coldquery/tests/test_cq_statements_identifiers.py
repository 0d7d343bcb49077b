import asyncpg
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from coldquery.errors import Refused
from coldquery.statements.identifiers import quoted
from coldquery.statements.parsing import parse

NAMES = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=63
).filter(lambda name: len(name.encode()) <= 63)


@examples(max_examples=50)
@given(NAMES, NAMES)
def test_postgres_reads_a_quoted_name_as_it_was(schema: str, name: str) -> None:
    (relation,) = parse(f"table {quoted(schema, name)}").tree["fromClause"]
    assert (relation["RangeVar"]["schemaname"], relation["RangeVar"]["relname"]) == (schema, name)


@pytest.mark.parametrize(
    "name",
    ['a"b', 'x"; drop table customer; --', "select", "größe", "a.b", " ", "\\", "U&", "$$", "A", "é" * 31],
)
async def test_the_server_takes_a_quoted_name_as_it_was(admin: asyncpg.Connection, name: str) -> None:
    await admin.execute(f"create table {quoted('public', name)} ()")
    assert (
        await admin.fetchval("select relname from pg_class where oid = $1::text::regclass", quoted(name))
        == name
    )


@pytest.mark.parametrize("name", ["a" * 63, "é" * 31 + "a"])
def test_a_name_may_have_63_bytes(name: str) -> None:
    assert quoted(name) == f'"{name}"'
    with pytest.raises(Refused, match="63 bytes"):
        quoted(name + "a")


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800"])
def test_a_name_that_postgres_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        quoted("public", name)
