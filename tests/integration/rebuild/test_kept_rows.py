"""Rows that a process keeps in memory are forgotten once a rebuild has mended any."""

from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from eventlog.database.connection import Database
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.verify import verify
from projections import job_runs
from projections.tables import TABLES
from tests.support.logs import TESTER, Parts, query, registered


def fail(difference: Difference) -> None:
    raise AssertionError(difference)


async def test_the_end_of_a_run_does_not_write_back_what_a_rebuild_has_mended(part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    # So that the process has looked how often rows were mended before it keeps the spoilt one.
    await part.jobs.launch(slug, Launch(), TESTER)
    [earlier] = await part.executions.claim("w", 1)
    await part.executions.succeed(earlier.run.id, earlier.holder, None, Report())
    await part.jobs.launch(slug, Launch(context={"true": 1}), TESTER)
    spoil = "UPDATE job_runs SET context = '{\"spoilt\": 1}' WHERE status = 'pending' RETURNING 1"
    assert query(part.url, spoil)
    [claim] = await part.executions.claim("w", 1)
    database = Database(part.url)
    rebuilt = await rebuild(database, job_runs.TABLE, fail, lambda *_: None)
    assert rebuilt.repaired == 1
    report = Report(context={"told": 2})
    await part.executions.succeed(claim.run.id, claim.holder, None, report)
    await verify(database, TABLES, fail, lambda *_: None)
    [(context,)] = query(part.url, "SELECT context FROM job_runs WHERE id = %s", claim.run.id)
    assert context == {"true": 1, "told": 2}
