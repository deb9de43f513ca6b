"""The rows of failure groups: what clients see after each event, and by which commands decide."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.failures.group import FailureGroup
from domain.failures.watch import FailureWatch
from domain.json_values import JsonObject
from projections import failure_groups, failure_watch
from projections import messages as feed
from projections.failure_groups import FailureGroupRow
from tests.unit.domain.failures.given import a_failure, identity
from tests.unit.given import RUN_ID, at, iso, stored
from tests.unit.projections.both import Both, Command, check


def presented(group: FailureGroup) -> list[JsonObject]:
    """Return the group as clients see it after each event."""
    row: FailureGroupRow | None = None
    seen = []
    for event in stored(group):
        after = failure_groups.TABLE.fold(row, event)
        assert set(after) == set(failure_groups.COLUMNS)
        [message] = feed.messages(event, row, after)
        assert message.type == "failure.updated"
        assert message.data == {"failure": failure_groups.present(after)}
        seen.append(failure_groups.present(after))
        row = after
    return seen


def changes(group: FailureGroup) -> list[JsonObject]:
    """Return what clients see change with each event but the first."""
    return [
        {name: after[name] for name in after if after[name] != before[name]}
        for before, after in pairwise(presented(group))
    ]


def opened(*failures: Any) -> FailureGroup:
    return FailureGroup.open(identity(), failures or [a_failure()], at(1_000))


def test_a_group_is_shown_as_it_was_opened() -> None:
    group = opened(a_failure(0, 2), a_failure(500, 1))
    assert presented(group) == [
        {
            "fingerprint": group.fingerprint,
            "title": "order <n> not found",
            "job": "report",
            "reason": "error",
            "frame": None,
            "status": "open",
            "count": 2,
            "recovered": 0,
            "firstAt": iso(0),
            "lastAt": iso(500),
            "affectedVersions": [1, 2],
            "sampleRun": str(RUN_ID),
            "changedBy": None,
            "resolvedAt": None,
            "resolvedInVersion": None,
        }
    ]


def test_each_event_shows_what_it_changes() -> None:
    group = opened()
    group.resolve("ada", 3, at(2_000))
    group.recur([a_failure(3_000, 3)], at(4_000))
    group.ignore("ada", at(5_000))
    group.reopen("bob", at(6_000))
    group.recover(2, at(7_000))
    assert changes(group) == [
        {
            "status": "resolved",
            "resolvedAt": iso(2_000),
            "resolvedInVersion": 3,
            "changedBy": "ada",
        },
        {"count": 2, "lastAt": iso(3_000), "affectedVersions": [1, 3]},
        {"status": "open", "changedBy": "system"},
        {"status": "ignored", "changedBy": "ada"},
        {"status": "open", "changedBy": "bob"},
        {
            "count": 0,
            "recovered": 2,
            "status": "resolved",
            "resolvedAt": iso(7_000),
            "resolvedInVersion": None,
        },
    ]


def test_the_stream_tells_how_far_the_log_was_searched() -> None:
    search = FailureWatch.begin(3, at(0))
    search.move(7, at(1_000))
    first, second = stored(search)
    begun = failure_watch.TABLE.fold(None, first)
    moved = failure_watch.TABLE.fold(begun, second)
    [message] = feed.messages(second, begun, moved)
    assert (message.type, message.data) == ("failure.noted", {"search": {"searchedUntil": 7}})


FAILURES = st.lists(
    st.builds(a_failure, st.integers(0, 9_000), st.integers(1, 4)), min_size=1, max_size=3
)
VERSIONS = st.none() | st.integers(1, 4)
COMMANDS = st.one_of(
    FAILURES.map(lambda failure: lambda group, now: group.recur(failure, now)),
    st.integers(1, 3).map(lambda count: lambda group, now: group.recover(count, now)),
    VERSIONS.map(lambda of: lambda group, now: group.resolve("ada", of, now)),
    st.just(lambda group, now: group.ignore("ada", now)),
    st.just(lambda group, now: group.reopen("ada", now)),
)


@given(st.lists(COMMANDS, max_size=8))
def test_a_groups_row_decides_as_its_events_do(commands: list[Command]) -> None:
    check(Both(opened()), failure_groups.TABLE, commands)


@given(st.lists(st.integers(0, 9), max_size=5))
def test_the_searchs_row_decides_as_its_events_do(positions: list[int]) -> None:
    def moving(position: int) -> Command:
        return lambda one, now: one.move(position, now)

    commands = [moving(position) for position in positions]
    check(Both(FailureWatch.begin(3, at(0))), failure_watch.TABLE, commands)
