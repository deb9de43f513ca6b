"""Rows that older versions have written lack what decisions need: their histories tell it then."""

from datetime import timedelta
from uuid import UUID

import pytest
from eventsourcing.domain import Aggregate

from catalog.commands import Catalog
from catalog.repository import App, repository_id
from domain.errors import ConflictError
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from eventlog.database.connection import Database
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.verify import verify
from projections import job_runs
from projections.tables import TABLES
from tests.support.logs import TESTER, Parts, now, query, registered

AS_BEFORE = """
    UPDATE job_runs SET state1_version = NULL, retry_policy = NULL, request_digest = NULL,
        launch_context = NULL RETURNING 1
"""

MOVED_BY_AN_OLDER_VERSION = """
    UPDATE repositories SET ingest_run_id = NULL, state1_version = aggregate_version - 1
    RETURNING 1
"""

POLICY = {"maxAttempts": 3, "strategy": "fixed", "initialDelayMs": 60_000}


def fail(difference: Difference) -> None:
    raise AssertionError(difference)


async def launched(part: Parts, count: int) -> list[UUID]:
    slug = await registered(part.jobs, retry_policy=POLICY)
    await part.worker("w")
    ids = []
    for number in range(count):
        launch = Launch(context={"own": number}, idempotency_key=str(number), body={"n": number})
        ids.append((await part.jobs.launch(slug, launch, TESTER)).run_id)
    assert len(query(part.url, AS_BEFORE)) == count
    return ids


async def test_what_a_claim_had_to_read_outlives_decisions_beside_it(
    part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await launched(part, 3)
    replay = part.jobs.replay

    async def replay_beside_a_sweep(run_id: UUID) -> Aggregate | None:
        aggregate = await replay(run_id)
        await part.sweeps.expire_overdue()
        return aggregate

    monkeypatch.setattr(part.jobs, "replay", replay_beside_a_sweep)
    assert [claim.run.id for claim in await part.executions.claim("w", 3)] == ids


async def test_runs_that_an_older_version_has_launched_are_claimed_and_retried(part: Parts) -> None:
    ids = await launched(part, 3)
    claims = await part.executions.claim("w", 3)
    assert [claim.run.id for claim in claims] == ids
    assert [claim.run.context for claim in claims] == [{"own": n} for n in range(3)]
    one, _, _ = claims
    report = Report(context={"told": True})
    await part.executions.progress(one.run.id, one.holder, report)
    await part.executions.fail(one.run.id, one.holder, AttemptFailure("boom"), Report())
    again = await part.jobs.run(one.run.id)
    assert again.scheduled_at > now() + timedelta(seconds=30)
    assert await part.sweeps.recover([("w", 0)], "observer") == ids[1:]
    statuses = query(part.url, "SELECT DISTINCT status, attempt FROM job_runs")
    assert statuses == [("pending", 2)]


async def test_their_idempotency_keys_and_contexts_are_known(part: Parts) -> None:
    [run_id] = await launched(part, 1)
    same = Launch(idempotency_key="0", body={"n": 0})
    assert (await part.jobs.launch("job", same, TESTER)).run_id == run_id
    other = Launch(idempotency_key="0", body={"n": 7})
    with pytest.raises(ConflictError, match="another body"):
        await part.jobs.launch("job", other, TESTER)
    await part.jobs.cancel(run_id, None, TESTER)
    repeated = await part.jobs.retry(run_id, TESTER)
    assert repeated.row is not None
    assert repeated.row["context"] == {"own": 0, "retryOf": str(run_id)}


async def test_a_rebuild_fills_them(part: Parts) -> None:
    ids = await launched(part, 2)
    database = Database(part.url)
    rebuilt = await rebuild(database, job_runs.TABLE, fail, lambda *_: None)
    assert rebuilt.repaired == len(ids)
    states = await part.jobs.log_port.states_of("job_run", ids)
    assert all(state.row is not None for state in states.values())
    await verify(database, TABLES, fail, lambda *_: None)


async def test_an_app_that_an_older_version_has_moved_on_follows_its_run(part: Parts) -> None:
    catalog = Catalog(part.jobs)
    await part.jobs.seed()
    await part.worker("w")
    app = App(
        id="shop", name="Shop", description="", repo_url="/srv/shop", dockerfile_path="Dockerfile"
    )
    await catalog.add_app(app, TESTER)
    assert query(part.url, MOVED_BY_AN_OLDER_VERSION)
    [claim] = await part.executions.claim("w", 1)
    assert query(part.url, MOVED_BY_AN_OLDER_VERSION)
    never = AttemptFailure("never", permanent=True)
    await part.executions.fail(claim.run.id, claim.holder, never, Report())
    status = "SELECT ingest_status, ingest_error FROM repositories WHERE aggregate_id = %s"
    assert query(part.url, status, repository_id("shop")) == [("failed", "never")]


@pytest.mark.parametrize(
    "spoilt",
    [
        "retry_policy = '\"x\"'",
        "aggregate_version = 7",
        "position = 1, personal = '7'",
        "personal = '{\"x\": 7}'",
        "personal = '{\"x\": [7]}'",
    ],
)
async def test_a_row_that_somebody_has_edited_stops_no_claim(part: Parts, spoilt: str) -> None:
    slug = await registered(part.jobs, retry_policy=POLICY)
    await part.worker("w")
    for _ in range(2):
        await part.jobs.launch(slug, Launch(), TESTER)
    one = "SELECT id FROM job_runs ORDER BY id LIMIT 1"
    query(part.url, f"UPDATE job_runs SET {spoilt} WHERE id = ({one}) RETURNING 1")
    claims = await part.executions.claim("w", 2)
    assert len(claims) == 2
    assert {claim.run.retry_policy.max_attempts for claim in claims} == {3}
