"""How much has happened to something does not matter to what is decided about it."""

import tracemalloc

import pytest

from catalog.commands import Catalog
from catalog.repository import App
from domain.commands.executions import Claim
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from eventlog.database.connection import Database
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from projections.tables import TABLES
from tests.integration.decisions.long import log_rows_read, report_often
from tests.support.logs import TESTER, Parts, query, registered

OFTEN = 1_500

FEW = 12
"""Events read for a decision about one run, with all that it takes beside; most are heads."""


def fail(difference: Difference) -> None:
    raise AssertionError(difference)


async def running(part: Parts, count: int = 1) -> list[Claim]:
    """Return running runs that have reported very often."""
    slug = await registered(part.jobs, retry_policy={"maxAttempts": 3})
    await part.worker("w")
    for number in range(count):
        await part.jobs.launch(slug, Launch(idempotency_key=f"key {number}", body={"a": 1}), TESTER)
    claims = await part.executions.claim("w", count)
    report_often(part.url, [claim.run.id for claim in claims], OFTEN)
    # Claims follow the log: let them see so far.
    assert await part.executions.claim("w", 1) == []
    return claims


async def check_tables(part: Parts) -> None:
    await verify(Database(part.url), TABLES, fail, lambda *_: None)


async def test_ends_and_claims_read_no_history(part: Parts) -> None:
    [claim] = await running(part)
    ending = part.executions.fail(
        claim.run.id, claim.holder, AttemptFailure("boom", retry_after_ms=0), Report()
    )
    read, _ = await log_rows_read(part, ending)
    assert read <= FEW
    read, [again] = await log_rows_read(part, part.executions.claim("w", 1))
    assert read <= FEW
    assert (again.run.attempt, again.holder.execution) == (2, 2)
    await check_tables(part)


async def test_cancels_and_repeated_launches_read_no_history(part: Parts) -> None:
    [claim] = await running(part)
    asking = part.jobs.launch("job", Launch(idempotency_key="key 0", body={"a": 1}), TESTER)
    read, launched = await log_rows_read(part, asking)
    assert read <= FEW
    assert launched.run_id == claim.run.id
    canceling = part.jobs.cancel(claim.run.id, "enough", TESTER)
    read, _ = await log_rows_read(part, canceling)
    assert read <= FEW
    await part.executions.hand_back(claim.run.id, claim.holder)
    assert query(part.url, "SELECT status, error_message FROM job_runs") == [("canceled", "enough")]
    await check_tables(part)


async def test_a_dead_workers_runs_are_recovered_whatever_they_have_reported(part: Parts) -> None:
    claims = await running(part, 20)
    tracemalloc.start()
    recovering = part.sweeps.recover([("w", 0)], "observer")
    read, recovered = await log_rows_read(part, recovering)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read <= FEW * 20
    assert peak_bytes < 4_000_000
    assert sorted(recovered) == sorted(claim.run.id for claim in claims)
    statuses = query(part.url, "SELECT DISTINCT status, attempt FROM job_runs")
    assert statuses == [("pending", 2)]
    await check_tables(part)


async def test_a_definition_with_many_versions_is_revised_and_launched_as_one_with_few(
    part: Parts,
) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    early = await part.jobs.launch(slug, Launch(), TESTER)
    for number in range(60):
        await part.jobs.revise_job(slug, {"metadata": number}, None, TESTER)
    part.jobs.forget()
    revising = part.jobs.revise_job(slug, {"name": "last"}, None, TESTER)
    read, _ = await log_rows_read(part, revising)
    assert read <= FEW
    read, late = await log_rows_read(part, part.jobs.launch(slug, Launch(), TESTER))
    assert read <= FEW
    # What the early run obeys stands in the history alone, which is read before the lock is taken.
    first, second = await part.executions.claim("w", 2)
    assert (first.run.id, first.spec.name, first.spec.metadata) == (early.run_id, slug, None)
    assert (second.run.id, second.spec.name, second.spec.metadata) == (late.run_id, "last", 59)


@pytest.mark.parametrize("megabytes", [1])
async def test_an_app_with_large_previews_is_ingested_again_without_reading_them(
    part: Parts, megabytes: int
) -> None:
    catalog = Catalog(part.jobs)
    await part.jobs.seed()
    await part.worker("w")
    app = App(
        id="shop",
        name="Shop",
        description="",
        repo_url="/srv/shop",
        dockerfile_path="Dockerfile",
        tags=[{"key": "own", "value": "tag"}],
    )
    await catalog.add_app(app, TESTER)
    [claim] = await part.executions.claim("w", 1)
    spoilt = "UPDATE repositories SET preview_tiles = %s WHERE id = 'shop' RETURNING 1"
    tiles = f'[{{"src": "{"x" * megabytes * 1_000_000}"}}]'
    query(part.url, spoilt, tiles)
    tracemalloc.start()
    failing = part.executions.fail(
        claim.run.id, claim.holder, AttemptFailure("boom", retry_after_ms=0), Report()
    )
    read, _ = await log_rows_read(part, failing)
    [again] = await part.executions.claim("w", 1)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read <= FEW
    assert peak_bytes < 500_000
    repository = again.inputs["repository"]
    assert isinstance(repository, dict)
    assert repository["authorTags"] == app.tags
