"""The rows of bulk operations: what clients see after each event, and by which commands decide."""

from datetime import datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.bulk import BulkOperation, Order
from domain.json_values import JsonObject
from projections import bulk
from projections import messages as feed
from projections.bulk import BulkRow
from tests.unit.given import NOON, at, iso, stored
from tests.unit.projections.both import Both, Command, check

OWN_ID = UUID("01957000-0000-7000-8000-0000000000b1")

ORDER = Order(action="rerun", filter=["job=report"], reason="new prices", patch={"n": 1})

REQUESTED: JsonObject = {
    "id": str(OWN_ID),
    "action": "rerun",
    "filter": ["job=report"],
    "reason": "new prices",
    "patch": {"n": 1},
    "status": "running",
    "total": 30,
    "done": 0,
    "refused": 0,
    "refusals": [],
    "requestedBy": "anna",
    "abortReason": None,
    "createdAt": iso(0),
    "updatedAt": iso(0),
    "completedAt": None,
    "position": 77,
}


def requested() -> BulkOperation:
    return BulkOperation.request(OWN_ID, ORDER, 77, 30, "anna", NOON)


def refusal(number: int) -> JsonObject:
    return {"run": str(UUID(int=number)), "code": "run_not_ended", "why": "it runs"}


def presented(operation: BulkOperation) -> list[JsonObject]:
    """Return the operation as clients see it after each event."""
    row: BulkRow | None = None
    seen = []
    for event in stored(operation):
        after = bulk.TABLE.fold(row, event)
        [message] = feed.messages(event, row, after)
        assert message.type == "bulk.updated"
        assert message.data == {"bulk": bulk.present(after)}
        seen.append(bulk.present(after))
        row = after
    return seen


def test_its_progress_and_its_end_are_shown() -> None:
    operation = requested()
    operation.advance(2, [refusal(1)], 70, at(10))
    operation.advance(1, [refusal(number) for number in range(2, 25)], 50, at(20))
    operation.complete(at(30))
    first = {"done": 2, "refused": 1, "refusals": [refusal(1)], "updatedAt": iso(10)}
    twenty = [refusal(number) for number in range(1, 21)]
    second = {"done": 3, "refused": 24, "refusals": twenty, "updatedAt": iso(20)}
    end = {"status": "completed", "completedAt": iso(30), "updatedAt": iso(30)}
    assert presented(operation) == [
        REQUESTED,
        {**REQUESTED, **first},
        {**REQUESTED, **second},
        {**REQUESTED, **second, **end},
    ]


def test_who_stopped_it_says_why() -> None:
    operation = requested()
    operation.abort("stop", at(5))
    operation.abort("again", at(6))
    [_, aborted] = presented(operation)
    assert (aborted["status"], aborted["abortReason"]) == ("aborted", "stop")
    assert aborted["completedAt"] == iso(5)


def _abort(operation: BulkOperation, now: datetime) -> None:
    operation.abort("why", now)


COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.integers(1, 76).map(
        lambda before: lambda one, now: one.advance(1, [refusal(before)], before, now)
    ),
    st.sampled_from([_abort, lambda one, now: one.complete(now)]),
)


@given(commands=st.lists(COMMANDS, max_size=6))
def test_an_operation_decides_by_its_row_as_by_its_history(commands: list[Command]) -> None:
    check(Both(requested()), bulk.TABLE, commands)
