import math

import pytest
from factories import NOON, later

from dependency_graph.domain.cycle import Alert, AlertStatus, canonical, pairs_of
from dependency_graph.domain.dependency import (
    Attributes,
    Dependency,
    DependencyCriticality,
    DiscoverySource,
    confidence,
    conflict,
)
from dependency_graph.domain.errors import InvalidServiceId
from dependency_graph.domain.service import Criticality, Service, ServiceType, check_service_id

HARD = Attributes()
SOFT = Attributes(criticality=DependencyCriticality.SOFT)


@pytest.mark.parametrize(
    "ident",
    [
        "a",
        "x" * 255,
        "component:default/checkout",
        "GET /cart+items",
        "kassensystem-käse",
        "支付",
        "a  b",
        ".",
        "क्\u200dष",
    ],
)
def test_names_seen_in_traces_are_ids(ident: str) -> None:
    assert check_service_id(ident) == ident


@pytest.mark.parametrize(
    ("ident", "reason"),
    [
        ("", "empty"),
        ("\u200c", "empty"),
        ("x" * 256, "at most 255"),
        (" a", "space"),
        ("a ", "space"),
        ("a\0", r"U\+0000"),
        ("a\tb", r"U\+0009"),
        ("a\x7f", r"U\+007F"),
        ("\ud800", r"U\+D800"),
        ("a\u2028b", r"U\+2028"),
    ],
)
def test_what_is_no_id_is_refused_with_the_reason(ident: str, reason: str) -> None:
    with pytest.raises(InvalidServiceId, match=reason):
        check_service_id(ident)


def test_confidence_grows_with_sight_up_to_a_tenth_and_never_beyond_one() -> None:
    assert confidence(DiscoverySource.MANUAL, 0) == 1.0
    assert confidence(DiscoverySource.KUBERNETES, 0) == 0.75
    assert confidence(DiscoverySource.KUBERNETES, 1) == 0.75 + 0.02 * math.log(2)
    assert confidence(DiscoverySource.KUBERNETES, 10**6) == 0.85
    assert confidence(DiscoverySource.SERVICE_MESH, 10**6) == 1.0


def test_an_observation_counts_once_for_a_time() -> None:
    first = Dependency.first_seen(("a", "b"), DiscoverySource.MANUAL, HARD, NOON)
    assert first.seen_again(HARD, NOON) == first
    again = first.seen_again(HARD, later())
    assert (again.observations, again.last_observed_at, again.first_observed_at) == (2, later(), NOON)


def test_an_earlier_observation_counts_for_nothing_but_the_beginning() -> None:
    row = Dependency.first_seen(("a", "b"), DiscoverySource.MANUAL, HARD, NOON).seen_again(SOFT, later(-1))
    assert (row.observations, row.first_observed_at, row.last_observed_at) == (1, later(-1), NOON)
    assert row.attributes == SOFT


def test_only_a_later_observation_revives_a_stale_dependency() -> None:
    stale = Dependency(("a", "b"), DiscoverySource.KUBERNETES, HARD, 1, NOON, NOON, is_stale=True)
    assert stale.seen_again(HARD, NOON).is_stale
    assert not stale.seen_again(HARD, later()).is_stale


def _row(source: DiscoverySource, attributes: Attributes, *, stale: bool = False) -> Dependency:
    return Dependency(("a", "b"), source, attributes, 1, NOON, NOON, stale)


def test_the_word_of_the_higher_priority_stands_whoever_spoke_last() -> None:
    manual, mesh = _row(DiscoverySource.MANUAL, SOFT), _row(DiscoverySource.SERVICE_MESH, HARD)
    late_manual, late_mesh = conflict(manual, [mesh]), conflict(mesh, [manual])
    assert late_manual is not None
    assert late_mesh is not None
    assert late_manual.kept is late_mesh.kept is DiscoverySource.MANUAL
    assert (late_mesh.existing_source, late_mesh.new_source) == (
        DiscoverySource.MANUAL,
        DiscoverySource.SERVICE_MESH,
    )


def test_of_several_contradictions_the_strongest_is_reported() -> None:
    found = conflict(
        _row(DiscoverySource.TOOLHIVE, HARD),
        [_row(DiscoverySource.KUBERNETES, SOFT), _row(DiscoverySource.SERVICE_MESH, SOFT)],
    )
    assert found is not None
    assert found.kept is DiscoverySource.SERVICE_MESH


def test_a_third_source_that_agrees_may_be_the_one_whose_word_stands() -> None:
    known = [_row(DiscoverySource.MANUAL, HARD), _row(DiscoverySource.OTEL_SERVICE_GRAPH, SOFT)]
    found = conflict(_row(DiscoverySource.KUBERNETES, HARD), known)
    assert found is not None
    assert (found.existing_source, found.kept) == (DiscoverySource.OTEL_SERVICE_GRAPH, DiscoverySource.MANUAL)


def test_agreement_and_stale_words_are_no_conflict() -> None:
    known = [_row(DiscoverySource.KUBERNETES, HARD), _row(DiscoverySource.TOOLHIVE, SOFT, stale=True)]
    assert conflict(_row(DiscoverySource.MANUAL, HARD), known) is None


def test_metadata_fills_the_columns_and_is_kept_whole() -> None:
    service = Service.registered(
        "a", {"team": "t", "criticality": "high", "service_type": "queue", "tier": 1}
    )
    assert (service.team, service.criticality, service.service_type) == (
        "t",
        Criticality.HIGH,
        ServiceType.QUEUE,
    )
    assert service.metadata["tier"] == 1
    assert Service.registered("a", {"criticality": None}).criticality is Criticality.MEDIUM


def test_a_cycle_is_written_from_its_smallest_id_back_to_it() -> None:
    assert canonical(["c", "a", "b"]) == ("a", "b", "c", "a")
    assert canonical(["b", "c", "a"]) == ("a", "b", "c", "a")
    assert pairs_of(("a", "b", "a")) == [("a", "b"), ("b", "a")]


def test_an_alert_lives_as_its_cycle_does() -> None:
    alert = Alert.of(("a", "b", "a"), NOON)
    assert alert.seen(later()) == alert
    gone = alert.gone(later())
    assert (gone.status, gone.resolved_at) == (AlertStatus.RESOLVED, later())
    assert gone.gone(later(2)) == gone
    back = gone.seen(later(2))
    assert (back.status, back.resolved_at, back.alert_id) == (AlertStatus.OPEN, None, alert.alert_id)


def test_an_acknowledged_alert_stays_so_and_remembers_who_it_was() -> None:
    seen = Alert.of(("a", "b", "a"), NOON).reviewed(AlertStatus.ACKNOWLEDGED, "ann", "known", later())
    assert seen.seen(later(2)) == seen
    resolved = seen.reviewed(AlertStatus.RESOLVED, None, None, later(3))
    assert (resolved.acknowledged_by, resolved.resolution_notes) == ("ann", "known")
    assert resolved.reviewed(AlertStatus.OPEN, None, None, later(4)).acknowledged_by is None
