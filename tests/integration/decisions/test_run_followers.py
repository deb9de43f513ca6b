"""What follows a run is appended in its unit: by any follower, not only the catalog's."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from eventsourcing.domain import Aggregate

from domain import identifiers
from domain.errors import InvalidInputError, Issue
from domain.jobs import run_events as events
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import Launch, new_run
from domain.jobs.run import JobRun
from domain.jobs.run_events import Report
from domain.json_values import JsonObject
from domain.ports import Locked
from domain.run_followers import AggregateRepository, Effect
from tests.support.logs import TESTER, Parts, parts, query, registered


class Relay:
    """Launches a run of `second` where one of `test.first` succeeds."""

    entry_points = frozenset({"test.first"})
    fails = False

    async def complete_launch(
        self, aggregates: AggregateRepository, entry_point: str, launch: Launch
    ) -> Launch:
        if "owner" in launch.parameters:
            raise InvalidInputError([Issue("/parameters/owner", "leave it out", "not")])
        return replace(launch, parameters={**launch.parameters, "owner": entry_point})

    async def inputs_of(
        self, aggregates: AggregateRepository, run: JobRun, locked: Locked | None
    ) -> JsonObject:
        return {"attempt": run.attempt, "locked": locked is not None}

    def effect_issues(self, effects: Sequence[Effect]) -> list[Issue]:
        return [Issue("/effects/0/kind", f"no {one.kind}", "enum") for one in effects[:1]]

    async def follow(
        self,
        aggregates: AggregateRepository,
        runs: Sequence[JobRun],
        effects: Sequence[Effect],
        locked: Locked | None,
    ) -> list[Aggregate]:
        assert {run.entry_point for run in runs} == {"test.first"}
        if not any(isinstance(one, events.Succeeded) for run in runs for one in run.pending_events):
            return []
        if self.fails:
            raise RuntimeError("for a test")
        second = identifiers.definition_id("second")
        definition = (await aggregates.load(JobDefinition, [second], locked))[second]
        launch = Launch(context={"after": str(runs[0].id)})
        return [new_run(definition, launch, aggregates.new_id(), "relay", aggregates.clock())]


@pytest.fixture
async def relay() -> Relay:
    return Relay()


@pytest.fixture
async def relayed(database_url: str, relay: Relay) -> AsyncIterator[Parts]:
    async with parts(database_url, followers=(relay,)) as part:
        await registered(part.jobs, "first", "test.first")
        await registered(part.jobs, "second", "test.second")
        yield part


async def test_what_a_follower_launches_is_appended_with_the_runs_success(relayed: Parts) -> None:
    await relayed.jobs.launch("first", Launch(), TESTER)
    worker = await relayed.worker("w")
    [claim] = await relayed.executions.claim(worker, 1)
    assert claim.run.parameters == {"owner": "test.first"}
    assert claim.inputs == {"attempt": 1, "locked": True}
    await relayed.executions.succeed(claim.run.id, claim.holder, None, Report())
    [[slug, after]] = query(
        relayed.url, "SELECT slug, context->>'after' FROM job_runs WHERE status = 'pending'"
    )
    assert (slug, after) == ("second", str(claim.run.id))
    transactions_and_events = query(
        relayed.url,
        "SELECT count(DISTINCT xmin::text), count(*) FROM jobs_events"
        " WHERE topic IN ('job_run.succeeded', 'job_run.requested')"
        " AND originator_id <> %s OR topic = 'job_run.succeeded'",
        claim.run.id,
    )
    assert transactions_and_events == [(1, 2)]


async def test_a_run_does_not_end_without_what_follows_it(relayed: Parts, relay: Relay) -> None:
    await relayed.jobs.launch("first", Launch(), TESTER)
    worker = await relayed.worker("w")
    [claim] = await relayed.executions.claim(worker, 1)
    relay.fails = True
    with pytest.raises(RuntimeError, match="for a test"):
        await relayed.executions.succeed(claim.run.id, claim.holder, None, Report())
    assert query(relayed.url, "SELECT slug, status FROM job_runs") == [("first", "running")]


async def test_a_follower_judges_launches_and_effects_of_its_entry_points_alone(
    relayed: Parts,
) -> None:
    with pytest.raises(InvalidInputError):
        await relayed.jobs.launch("first", Launch(parameters={"owner": "me"}), TESTER)
    await relayed.jobs.launch("second", Launch(parameters={"owner": "me"}), TESTER)
    await relayed.jobs.launch("first", Launch(), TESTER)
    worker = await relayed.worker("w")
    claims = await relayed.executions.claim(worker, 2)
    assert [claim.inputs for claim in claims] == [{}, {"attempt": 1, "locked": True}]
    for claim in claims:
        effects = [Effect("odd", {})]
        await relayed.executions.succeed(claim.run.id, claim.holder, None, Report(), effects)
    errors = query(relayed.url, "SELECT slug, error_message FROM job_runs ORDER BY slug DESC")
    assert [slug for slug, _ in errors] == ["second", "first"]
    assert "runs of this entry point have no effects" in errors[0][1]
    assert "/effects/0/kind" in errors[1][1]
