"""Pending runs in the queue's order, held against a list that is sorted anew at each look."""

from hypothesis import given
from hypothesis import strategies as st

from projections.flow.candidates import (
    QUEUE_START,
    Candidate,
    DueRuns,
    WaitingRuns,
    queue_position,
    untimely,
)

IDS = st.sampled_from("0123abcd")

TIMES = st.sampled_from(["01", "02", "03"])


@st.composite
def runs(draw: st.DrawFn) -> Candidate:
    """Draw a run: few ids, times and priorities, so that they meet."""
    return {
        **QUEUE_START,
        "id": draw(IDS),
        "priority": draw(st.integers(-1, 1)),
        "scheduled_at": draw(TIMES),
        "start_by": draw(st.none() | TIMES),
    }


CHANGES = st.lists(runs() | IDS, max_size=30)
"""Runs that are put in, and ids of those that are dropped."""


def filled(changes: list[Candidate | str]) -> tuple[WaitingRuns, list[Candidate]]:
    """Return what is left of all changes, and the same as a sorted list."""
    waiting = WaitingRuns()
    left: dict[str, Candidate] = {}
    for change in changes:
        if isinstance(change, str):
            waiting.drop(change)
            left.pop(change, None)
        else:
            waiting.put(change)
            left[change["id"]] = change
    return waiting, sorted(left.values(), key=queue_position)


@given(CHANGES)
def test_each_run_stands_once_at_its_place(changes: list[Candidate | str]) -> None:
    waiting, expected = filled(changes)
    assert list(waiting) == expected
    assert len(waiting) == len(expected)
    by_id = {run["id"]: run for run in expected}
    assert [waiting.get(run_id) for run_id in "0123abcd"] == [
        by_id.get(run_id) for run_id in "0123abcd"
    ]


@given(CHANGES, runs(), TIMES)
def test_those_up_to_a_place_are_due_by_their_times(
    changes: list[Candidate | str], last: Candidate, now: str
) -> None:
    waiting, expected = filled(changes)
    scheduled = [run for run in expected if run["scheduled_at"] <= now]
    assert waiting.scheduled(now, None) == scheduled
    first = [run for run in scheduled if queue_position(run) <= queue_position(last)]
    assert waiting.scheduled(now, queue_position(last)) == first
    timely = [run for run in first if untimely(run, now) is None]
    due = DueRuns(first, now)
    assert list(due) == list(due) == timely
    assert bool(due) == bool(timely)


@given(CHANGES, st.integers(0, 8), st.lists(runs() | IDS, max_size=5))
def test_what_is_left_beyond_the_first_goes_on(
    changes: list[Candidate | str], number: int, more: list[Candidate | str]
) -> None:
    waiting, expected = filled(changes)
    assert waiting.drop_beyond(number) == expected[number:]
    kept: list[Candidate | str] = [*expected[:number]]
    _, expected = filled([*kept, *more])
    for change in more:
        if isinstance(change, str):
            waiting.drop(change)
        else:
            waiting.put(change)
    assert list(waiting) == expected
