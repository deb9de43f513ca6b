"""Runs that compete for a start, as claims and explanations see them."""

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject

Key = tuple[str, str]
"""A job's id and a value of its concurrency key: few runs with both may be under way."""


class Contender(TypedDict):
    """What of a run may be in the way of others, or others in its."""

    id: ReadOnly[str]
    job_definition_id: ReadOnly[str]
    concurrency_value: ReadOnly[str | None]


class Candidate(Contender):
    """A pending run, with all that decides when it starts.

    `start_by` is its start deadline, None where it has none or was started before;
    `max_concurrent_runs` is its job's present limit, if there is one: 0 while the job is paused.
    `concurrency_limit` is that of its key, None where it has no key; `rate_limit` that of the
    starts that `rate_value` counts it with, None where it is not counted; `fairness_key` names the
    parameter whose values take turns, of which the run has `fair_value`: None where it has no turn.
    """

    entry_point: ReadOnly[str]
    priority: ReadOnly[int]
    scheduled_at: ReadOnly[str]
    start_by: ReadOnly[str | None]
    max_concurrent_runs: ReadOnly[int | None]
    concurrency_limit: ReadOnly[int | None]
    rate_value: ReadOnly[str | None]
    rate_limit: ReadOnly[JsonObject | None]
    fair_value: ReadOnly[str | None]
    fairness_key: ReadOnly[str | None]


FRONT: Candidate = {
    "id": "00000000-0000-0000-0000-000000000000",
    "job_definition_id": "",
    "concurrency_value": None,
    "entry_point": "",
    "priority": 1_000,
    "scheduled_at": "-infinity",
    "start_by": None,
    "max_concurrent_runs": None,
    "concurrency_limit": None,
    "rate_value": None,
    "rate_limit": None,
    "fair_value": None,
    "fairness_key": None,
}
"""Stands before all runs."""


class JobLimits(TypedDict):
    """How many runs of a job may run at a time, how many of each key, and start in a period.

    And by which parameter they take turns.
    """

    max_concurrent_runs: ReadOnly[int | None]
    concurrency_limit: ReadOnly[int | None]
    rate_limit: ReadOnly[JsonObject | None]
    fairness_key: ReadOnly[str | None]


NO_LIMITS: JobLimits = {
    "max_concurrent_runs": None,
    "concurrency_limit": None,
    "rate_limit": None,
    "fairness_key": None,
}


LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
"""Stands after all ids."""

Place = tuple[int, str, str]
"""Where a run stands in the queue."""


def order(run: Candidate) -> Place:
    """Return where the run stands in the queue."""
    highest_first = -run["priority"]
    return highest_first, run["scheduled_at"], run["id"]


def key_of(run: Contender) -> Key | None:
    """Return what few other runs may hold while this one is under way, if there is such a key."""
    value = run["concurrency_value"]
    if value is None:
        return None
    return run["job_definition_id"], value


def rate_key_of(run: Candidate) -> Key | None:
    """Return with which others the run's start counts; None where it is not limited."""
    value = run["rate_value"]
    if value is None or run["rate_limit"] is None:
        return None
    return run["job_definition_id"], value
