"""What is read at a time under the lock is bounded by its size, not only by how many runs it is."""

import secrets
from uuid import UUID

import pytest

from catalog.build import BuildTarget
from catalog.commands import Catalog
from catalog.repository import App
from domain.jobs.launching import Launch
from tests.support.logs import TESTER, Parts, query, registered

TOO_MANY_BYTES = 400_000
"""Of random text, written in hexadecimal; a third of such a run is not read with the others."""


async def launched(part: Parts, count: int, start_deadline_ms: int | None = None) -> list[UUID]:
    ids = []
    for _ in range(count):
        large = Launch(
            parameters={"x": secrets.token_hex(TOO_MANY_BYTES)}, start_deadline_ms=start_deadline_ms
        )
        ids.append((await part.jobs.launch("job", large, TESTER)).run_id)
    return ids


@pytest.fixture
async def ready(part: Parts) -> Parts:
    """Return the parts with a job and a worker."""
    await registered(part.jobs)
    await part.worker("w")
    return part


async def test_a_claim_takes_what_may_be_read_and_says_that_there_is_more(ready: Parts) -> None:
    ids = await launched(ready, 5)
    claims = await ready.executions.claim("w", 8)
    assert claims.is_cut
    assert 0 < len(claims) < len(ids)
    is_cut = True
    while is_cut:
        more = await ready.executions.claim("w", 8)
        assert more
        claims += more
        is_cut = more.is_cut
    assert [claim.run.id for claim in claims] == ids
    for claim in claims:
        assert len(str(claim.run.parameters["x"])) == 2 * TOO_MANY_BYTES


async def test_recovery_and_expiry_go_on_where_they_left_off(ready: Parts) -> None:
    late = await launched(ready, 5, start_deadline_ms=1)
    expired = [await ready.sweeps.expire_overdue() for _ in range(3)]
    assert 0 < expired[0] < len(late)
    assert sum(expired) == len(late)
    lost = await launched(ready, 5)
    while await ready.executions.claim("w", 8):
        pass
    await ready.heartbeats.leave("w")
    recovered = [await ready.sweeps.recover([], "observer") for _ in range(3)]
    assert 0 < len(recovered[0]) < len(lost)
    together = [run_id for some in recovered for run_id in some]
    assert sorted(together) == sorted(lost)
    assert not await ready.heartbeats.has_orphaned_runs()


async def test_the_first_is_read_however_large_it_is(ready: Parts) -> None:
    [run_id] = await launched(ready, 1)
    grow = "UPDATE job_runs SET metrics = %s WHERE id = %s RETURNING 1"
    query(ready.url, grow, f'{{"x": "{secrets.token_hex(1_500_000)}"}}', run_id)
    [claim] = await ready.executions.claim("w", 1)
    assert claim.run.id == run_id


GROWN = (
    "UPDATE repositories SET description = %s WHERE id = %s RETURNING 1",
    "UPDATE builds SET git_ref = %s WHERE repository_id = %s RETURNING 1",
)


async def test_the_whole_catalog_follows_runs_however_large_apps_and_builds_are(
    ready: Parts,
) -> None:
    await ready.jobs.seed()
    catalog = Catalog(ready.jobs)
    for number in range(4):
        name = f"app-{number}"
        app = App(id=name, name=name, description="", repo_url="/srv", dockerfile_path="D")
        await catalog.add_app(app, TESTER)
        await catalog.request_build(name, BuildTarget(), TESTER)
        for grow in GROWN:
            query(ready.url, grow, secrets.token_hex(TOO_MANY_BYTES), name)
    statuses = "SELECT DISTINCT ingest_status, status FROM repositories, builds"
    assert len(await ready.executions.claim("w", 8)) == 8
    assert query(ready.url, statuses) == [("processing", "running")]
    await ready.heartbeats.leave("w")
    assert len(await ready.sweeps.recover([], "observer")) == 8
    # A build has one attempt.
    assert query(ready.url, statuses) == [("pending", "failed")]
