"""Names held to what Backstage publishes: backstage.io/docs/features/software-catalog/descriptor-format."""

import re

import pytest
from hostile_graphs import HOSTILE_IDS, ids, teams
from hypothesis import example, given
from hypothesis import strategies as st

from dependency_graph.api.export_formats.entity_name import entity_name, owner_ref

# What is published says: sequences of letters and digits, separated by one of the three, at most 63 in all.
NAME = re.compile(r"(?=.{1,63}$)[a-z0-9A-Z]+([-_.][a-z0-9A-Z]+)*", re.ASCII)


@given(ids)
def test_every_id_gets_a_valid_name(service_id: str) -> None:
    assert NAME.fullmatch(entity_name(service_id))


@given(teams)
def test_every_team_gets_a_valid_reference(team: str | None) -> None:
    kind, _, name = owner_ref(team).rpartition("/")
    assert (kind, bool(NAME.fullmatch(name))) == ("group:default" if team else "", True)


alike = st.text("abAB-. _/\u00e4", min_size=1, max_size=6)


@given(alike, alike)
@example("checkout", "Checkout")
@example("a b", "a/b")
def test_no_two_ids_share_a_name_whatever_the_case(one: str, other: str) -> None:
    assert (entity_name(one).lower() == entity_name(other).lower()) == (one == other)


@pytest.mark.parametrize("service_id", HOSTILE_IDS)
def test_an_id_that_is_the_name_of_another_gets_one_of_its_own(service_id: str) -> None:
    taken = entity_name(service_id).lower()
    assert taken == service_id or entity_name(taken) != taken


@pytest.mark.parametrize("service_id", ["checkoutservice", "frontend-web", "a_b.c-9", "x" * 63])
def test_an_id_that_can_be_a_name_stays_as_it_is(service_id: str) -> None:
    assert entity_name(service_id) == service_id


@pytest.mark.parametrize("service_id", ["x" * 64, "-a", "a-", "a--b", "a b", "Cart", "\u652f\u4ed8"])
def test_an_id_that_cannot_be_a_name_gets_a_digest(service_id: str) -> None:
    assert re.fullmatch(r"([a-zA-Z].*-)?[a-z2-7]{16}", entity_name(service_id))


def test_a_team_keeps_its_name_where_it_can() -> None:
    assert [owner_ref(team) for team in (None, "checkout", "Payments")] == [
        "unknown",
        "group:default/checkout",
        "group:default/Payments",
    ]
