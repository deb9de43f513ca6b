"""How many round trips and statements a claim takes, from the lock to the commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from domain.json_values import JsonObject
from domain.ports import Offer
from eventlog.database.pipeline import RoundTrip
from tests.support.logs import TESTER, Parts, registered

TENANTS = 10
"""More than a claim takes runs: the next one takes runs of others."""

KEYED: dict[str, Any] = {"concurrency_key": "tenant", "concurrency_limit": 9}
LIMITED: dict[str, Any] = {"max_concurrent_runs": 9}
RATED: dict[str, Any] = {"rate_limit": {"limit": 90, "periodMs": 3_600_000, "key": "tenant"}}
FAIR: dict[str, Any] = {"fairness_key": "tenant"}

LOCK, LOAD, COMMIT = 5, 2, 4
"""Statements of a claim's round trips: it locks and reads what has changed, loads the runs, and
writes and commits. Runs are loaded with the lock where the last claim foresaw which they would be.
"""


@contextmanager
def statements_of_trips() -> Iterator[list[int]]:
    """Collect how many statements each round trip has."""
    counts: list[int] = []
    send = RoundTrip.send

    async def counted(trip: RoundTrip) -> None:
        if trip._statements:
            counts.append(len(trip._statements))
        await send(trip)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RoundTrip, "send", counted)
        yield counts


@pytest.mark.parametrize(
    ("spec", "reads_of_limits", "if_foreseen"),
    [
        pytest.param({}, 0, 0, id="no limit"),
        pytest.param(KEYED, 0, 0, id="concurrency key"),
        pytest.param(LIMITED, 0, 0, id="concurrent runs"),
        pytest.param(RATED, 1, 1, id="rate"),
        pytest.param(FAIR, 3, 1, id="fairness"),
        pytest.param({**KEYED, **LIMITED, **RATED, **FAIR}, 4, 2, id="all limits"),
    ],
)
async def test_a_claim_is_three_round_trips_at_most_whatever_its_limits(
    part: Parts, spec: dict[str, Any], reads_of_limits: int, if_foreseen: int
) -> None:
    slug = await registered(part.jobs, **spec)
    await part.worker("w")
    for number in range(60):
        parameters: JsonObject = {"tenant": number % TENANTS}
        await part.jobs.launch(slug, Launch(parameters=parameters), TESTER)
    await _claim_four(part)  # The first one reads the queue, and what the job's version says.
    first, *others = [await _claim_four(part) for _ in range(12)]
    unforeseen = [LOCK + reads_of_limits, LOAD, COMMIT]
    with_front = [LOCK + reads_of_limits + 1, LOAD, COMMIT]
    foreseen = [LOCK + if_foreseen + LOAD, COMMIT]
    assert first in (unforeseen, with_front, foreseen)
    assert [trips for trips in others if trips not in (foreseen, with_front)] == []
    assert others.count(with_front) <= 2


async def _claim_four(part: Parts) -> list[int]:
    """Claim four runs and end them; return the statements of the claim's round trips."""
    with statements_of_trips() as counts:
        claims = await part.executions.claim("w", 4)
    assert len(claims) == 4
    for claim in claims:
        await part.executions.succeed(claim.run.id, claim.holder, None, Report())
    return counts


async def test_runs_of_others_in_front_are_read_before_the_lock(part: Parts) -> None:
    await part.worker("w")
    for slug, isolation in (("others", "process"), ("own", "shared")):
        await registered(part.jobs, slug, isolation=isolation)
        for _ in range(20):
            await part.jobs.launch(slug, Launch(), TESTER)
    offer = Offer(frozenset({"test.noop"}), isolation="shared")
    with statements_of_trips() as counts:
        assert len(await part.executions.claim("w", 4, offer)) == 4
    *_, lock, _load, _version_of_job, _commit = counts
    assert lock == LOCK, "it reads no front"


async def test_runs_of_jobs_and_keys_at_capacity_cost_a_claim_nothing(part: Parts) -> None:
    await registered(part.jobs, "full", max_concurrent_runs=1)
    await registered(part.jobs, "keyed", concurrency_key="tenant")
    await registered(part.jobs, "free")
    await part.worker("w")
    for slug in ("full", "keyed", "free"):
        for _ in range(40):
            await part.jobs.launch(slug, Launch(parameters={"tenant": "a"}), TESTER)
    for _ in range(3):
        # They take the two places there are, and read until the free ones are in memory.
        await part.executions.claim("w", 4)
    claims: list[list[int]] = []
    for _ in range(6):
        with statements_of_trips() as counts:
            assert len(await part.executions.claim("w", 4)) == 4
        claims.append(counts)
    foreseen, unforeseen = [LOCK + LOAD, COMMIT], [LOCK, LOAD, COMMIT]
    with_front = [LOCK + 1, LOAD, COMMIT]
    assert [trips for trips in claims if trips not in (foreseen, unforeseen, with_front)] == []
    assert foreseen in claims
