"""Tables that another version of their fold has written are noticed, and rebuilt or named."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from domain.state import Changes, PlainEvent
from eventlog.database.connection import Database
from eventlog.rebuild import rebuild
from eventlog.rebuild.fold_versions import stale_tables
from eventlog.rebuild.rebuild import rebuild_stale_tables
from eventlog.rebuild.repair import Repairer
from eventlog.rebuild.verify import verify
from projections import job_runs
from projections.job_runs import RunRow
from projections.table import Table
from projections.tables import TABLES
from tests.support.logs import query
from tests.support.processes import started


async def stale(url: str) -> list[tuple[str, int | None]]:
    async with await Database(url).connect() as connection:
        return [(one.table.name, one.written_by) for one in await stale_tables(connection)]


WRITTEN = f"job_runs was written by version 0 of its fold, not by {job_runs.TABLE.version}"


async def find(url: str, table: Table) -> int:
    [checked] = await verify(Database(url), [table], lambda _: None, lambda *_: None)
    return checked.differences


@pytest.fixture
def outdated_url(filled_url: str) -> str:
    """Return a database whose runs an older version wrote, without who requested them."""
    query(filled_url, "UPDATE job_runs SET requested_by = 'somebody' RETURNING 1")
    version = "UPDATE projection_versions SET version = 0 WHERE name = 'job_runs' RETURNING 1"
    query(filled_url, version)
    return filled_url


async def test_a_new_database_has_todays_versions(database_url: str) -> None:
    assert await stale(database_url) == []
    assert query(
        database_url, "SELECT name, version FROM projection_versions ORDER BY 1"
    ) == sorted((table.name, table.version) for table in TABLES)


async def test_at_start_a_small_table_is_rebuilt(
    outdated_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert await stale(outdated_url) == [("job_runs", 0)]
    await rebuild_stale_tables(Database(outdated_url))
    assert await stale(outdated_url) == []
    assert await find(outdated_url, job_runs.TABLE) == 0
    [message] = [
        entry.message for entry in caplog.records if entry.name == "eventlog.rebuild.rebuild"
    ]
    assert message == f"{WRITTEN}: rebuilt, 21 rows changed"


async def test_at_start_a_large_table_is_named_with_the_command_to_run(
    outdated_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "SMALL_LOG", 10)
    await rebuild_stale_tables(Database(outdated_url))
    assert await stale(outdated_url) == [("job_runs", 0)]
    [message] = [
        entry.message for entry in caplog.records if entry.name == "eventlog.rebuild.rebuild"
    ]
    assert message.startswith(WRITTEN)
    assert message.endswith("run: apphub-jobs projections rebuild job_runs")


async def test_the_service_looks_when_it_starts(outdated_url: str, tmp_path: Path) -> None:
    arguments = ("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    with started(*arguments, APPHUB_DATABASE_URL=outdated_url) as api:
        api.url()
        api.wait_for_line(f"{WRITTEN}: rebuilt, 21 rows", errors=True)
    assert await stale(outdated_url) == []


async def test_a_step_back_to_an_older_version_is_noticed_too(database_url: str) -> None:
    query(
        database_url, "UPDATE projection_versions SET version = 9 WHERE name = 'builds' RETURNING 1"
    )
    query(database_url, "DELETE FROM projection_versions WHERE name = 'repositories' RETURNING 1")
    assert await stale(database_url) == [("repositories", None), ("builds", 9)]


async def test_a_rebuild_that_did_not_end_is_noticed_and_drops_checkpoints_when_run_again(
    outdated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = """
        INSERT INTO run_checkpoints VALUES (1, gen_random_uuid(), '{}', '{}', 0, 0, 0, 0)
        RETURNING 1
    """
    query(outdated_url, checkpoint)
    mend = Repairer.repair

    async def mend_and_die(self: Repairer, progress: Callable[[int], None]) -> None:
        await mend(self, progress)
        raise KeyboardInterrupt

    async def rebuild_runs() -> int:
        rebuilt = await rebuild.rebuild(
            Database(outdated_url), job_runs.TABLE, lambda _: None, lambda *_: None
        )
        return rebuilt.repaired

    with monkeypatch.context() as patched:
        patched.setattr(Repairer, "repair", mend_and_die)
        with pytest.raises(KeyboardInterrupt):
            await rebuild_runs()
    assert await stale(outdated_url) == [("job_runs", None)]
    assert await find(outdated_url, job_runs.TABLE) == 0
    assert query(outdated_url, "SELECT position FROM run_checkpoints") == [(1,)]
    assert await rebuild_runs() == 0
    assert await stale(outdated_url) == []
    assert query(outdated_url, "SELECT position FROM run_checkpoints") == []
    query(outdated_url, checkpoint)
    assert await rebuild_runs() == 0
    assert query(outdated_url, "SELECT position FROM run_checkpoints") == [(1,)], (
        "nothing was wrong"
    )


async def test_a_new_column_is_filled_by_the_same_rebuild(filled_url: str) -> None:
    def evolve(row: RunRow | None, event: PlainEvent) -> Changes:
        changed = job_runs.TABLE.evolve(row, event)
        seen = row.get("events_seen") if row else 0
        return {**changed, "events_seen": seen + 1 if isinstance(seen, int) else None}

    columns = {**job_runs.COLUMNS, "events_seen": "integer"}
    next_version = job_runs.TABLE.version + 1
    table = replace(job_runs.TABLE, columns=columns, evolve=evolve, version=next_version)
    with psycopg.connect(filled_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE job_runs ADD COLUMN events_seen integer")
    runs = query(filled_url, "SELECT count(*) FROM job_runs")[0][0]
    assert await find(filled_url, table) == runs
    rebuilt = await rebuild.rebuild(Database(filled_url), table, lambda _: None, lambda *_: None)
    assert rebuilt.repaired == runs
    assert await find(filled_url, table) == 0
    assert query(
        filled_url, "SELECT count(*) FROM job_runs WHERE events_seen <> aggregate_version"
    ) == [(0,)]
    assert await stale(filled_url) == [("job_runs", next_version)]


async def test_a_table_that_still_differs_gets_no_version(
    outdated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mends_nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(Repairer, "repair", mends_nothing)
    differences: list[object] = []
    rebuilt = await rebuild.rebuild(
        Database(outdated_url), job_runs.TABLE, differences.append, lambda *_: None
    )
    assert rebuilt.comparison.differences == len(differences) == 21
    assert await stale(outdated_url) == [("job_runs", None)]
