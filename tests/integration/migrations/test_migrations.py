"""Migrations own every table, go both ways, and leave what the code expects."""

import asyncio
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from time import monotonic

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from domain.jobs.launching import Launch
from eventlog.database import sql
from migrations import runner
from projections.tables import TABLES
from tests.support.logs import TESTER, parts, query, registered

OURS = """
    SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = 'public' AND relkind IN ('r', 'v', 'S', 'm')
    UNION ALL SELECT proname FROM pg_proc
        JOIN pg_namespace ON pg_namespace.oid = pronamespace WHERE nspname = 'public'
    ORDER BY 1
"""

SHAPE = """
    SELECT table_name, column_name, data_type, is_nullable, column_default
    FROM information_schema.columns
    WHERE table_schema = 'public' ORDER BY 1, 2
"""

WATCHED_S = 4.0

INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"


async def test_up_down_to_nothing_and_up_again_on_a_database_with_data(database_url: str) -> None:
    async def fill() -> None:
        async with parts(database_url) as part:
            await part.jobs.seed()
            slug = await registered(part.jobs)
            await asyncio.gather(*(part.jobs.launch(slug, Launch(), TESTER) for _ in range(20)))

    await fill()
    before = query(database_url, SHAPE), query(database_url, INDEXES)
    runner.downgrade(database_url, "base")
    assert query(database_url, OURS) == [("alembic_version",)]
    runner.upgrade(database_url)
    assert (query(database_url, SHAPE), query(database_url, INDEXES)) == before
    await fill()


@pytest.mark.slow
def test_a_migration_that_waits_for_a_reader_holds_up_nobody_else(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LOCK_TIMEOUT_MS", 300)
    monkeypatch.setattr(runner, "PAUSE_S", 0.2)
    runner.downgrade(database_url, "0011")
    impatient = make_conninfo(database_url, options="-c statement_timeout=30s")
    with ThreadPoolExecutor(1) as threads, psycopg.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM job_runs")
        migration = threads.submit(runner.upgrade, database_url)
        began = monotonic()
        while monotonic() - began < WATCHED_S:
            query(impatient, "SELECT count(*) FROM job_runs")
        assert not migration.done()
        reader.rollback()
        migration.result()
    assert runner.current(database_url) == runner.HEAD


def test_a_migration_does_not_wait_for_ever(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LOCK_TIMEOUT_MS", 100)
    monkeypatch.setattr(runner, "PATIENCE_S", 0.5)
    monkeypatch.setattr(runner, "PAUSE_S", 0.2)
    runner.downgrade(database_url, "0011")
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM job_runs")
        with pytest.raises(runner.SchemaError, match="others use its tables"):
            runner.upgrade(database_url)
    assert runner.current(database_url) == "0011"


def test_each_step_goes_down_and_up_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Alembic would read all versions anew for each step.
    directory = import_module("alembic.script").ScriptDirectory
    versions = directory(str(Path(runner.__file__).parent))
    monkeypatch.setattr(directory, "from_config", lambda _: versions)
    steps = sorted(path.name[:4] for path in Path(runner.__file__).parent.glob("versions/0*.py"))
    with psycopg.connect(database_url, autocommit=True) as connection:

        def shape() -> list[tuple[object, ...]]:
            return connection.execute(SHAPE).fetchall()

        shapes = {runner.HEAD: shape()}
        for below in reversed(steps[:-1]):
            runner.downgrade(database_url, below)
            shapes[below] = shape()
        runner.downgrade(database_url, "base")
        assert runner.current(database_url) is None
        for step in steps:
            runner.upgrade(database_url, step)
            assert (runner.current(database_url), shape()) == (step, shapes[step])


def test_the_code_expects_the_newest_migration() -> None:
    versions = [path.name[:4] for path in Path(runner.__file__).parent.glob("versions/0*.py")]
    assert max(versions) == runner.HEAD
    # Of two with one number, only one would be made.
    assert sorted(set(versions)) == sorted(versions)


def test_the_trigger_takes_the_lock_that_the_writer_takes() -> None:
    text = (Path(runner.__file__).parent / "versions" / "0001_log.py").read_text()
    match = re.search(r"APPEND_LOCK = ([\d_]+)", text)
    assert match is not None
    assert int(match[1].replace("_", "")) == sql.APPEND_LOCK


LEFT_TO_OLDER_VERSIONS = {
    "failure_groups": ("state1_version",),
    "job_definitions": ("state1_version",),
    "schedules": ("state1_version",),
}
"""Columns that this version neither reads nor writes."""


def test_the_migrated_tables_are_what_the_folds_write(database_url: str) -> None:
    types = {"timestamp with time zone": "timestamptz"}
    rows = query(
        database_url, "SELECT table_name, column_name, data_type FROM information_schema.columns"
    )
    for table in TABLES:
        columns = {name: types.get(kind, kind) for of, name, kind in rows if of == table.name}
        for left in LEFT_TO_OLDER_VERSIONS.get(table.name, ()):
            del columns[left]
        assert columns == dict(table.columns), table.name


def test_processes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(runner.upgrade, [empty_database_url] * 4))
    assert runner.current(empty_database_url) == runner.HEAD


def test_a_database_newer_than_the_code_is_refused(database_url: str) -> None:
    query(database_url, "UPDATE alembic_version SET version_num = '9999' RETURNING 1")
    with pytest.raises(runner.SchemaError, match="newer"):
        runner.upgrade(database_url)


def test_each_log_has_an_identity_of_its_own(database_url: str) -> None:
    [(first,)] = query(database_url, sql.LOG_ID)
    runner.downgrade(database_url, "base")
    runner.upgrade(database_url)
    [(second,)] = query(database_url, sql.LOG_ID)
    assert first != second


def test_no_step_down_loses_the_keys_of_personal_data(database_url: str) -> None:
    insert = "INSERT INTO subject_keys VALUES (gen_random_uuid(), 'a', 'b', 'c') RETURNING 1"
    query(database_url, insert)
    runner.downgrade(database_url, "0010")
    for below in ("0009", "0001"):
        with pytest.raises(runner.SchemaError, match="keys of 1 subjects") as refused:
            runner.downgrade(database_url, below)
        assert "subjects erase" in str(refused.value)
        assert runner.current(database_url) == "0010"
        assert query(database_url, "SELECT count(*) FROM subject_keys") == [(1,)]
    query(database_url, "DELETE FROM subject_keys RETURNING 1")
    runner.downgrade(database_url, "0009")
    runner.upgrade(database_url)
    query(database_url, insert)
    # Here the log goes as well.
    runner.downgrade(database_url, "base")


def _alembic(*arguments: str, url: str | None) -> "subprocess.CompletedProcess[str]":
    """Run the command `alembic` in a checkout."""
    environment = {"PATH": os.environ["PATH"]}
    if url is not None:
        environment["APPHUB_DATABASE_URL"] = url
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(runner.__file__).parents[1],
        env=environment,
    )


def test_alembic_itself_migrates_both_ways(empty_database_url: str) -> None:
    up = _alembic("upgrade", "head", url=empty_database_url)
    assert up.returncode == 0, up.stderr
    assert runner.current(empty_database_url) == runner.HEAD
    assert runner.HEAD in _alembic("current", url=empty_database_url).stdout
    down = _alembic("downgrade", "base", url=empty_database_url)
    assert down.returncode == 0, down.stderr
    assert runner.current(empty_database_url) is None


def test_alembic_without_a_database_says_what_to_set() -> None:
    refused = _alembic("upgrade", "head", url=None)
    assert refused.returncode != 0
    assert "set APPHUB_DATABASE_URL" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
