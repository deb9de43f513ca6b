"""What archiving takes, what it leaves, and that nobody else can take or add anything."""

import asyncio
import gzip
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
from psycopg import errors

from domain.errors import ConflictError
from domain.jobs.launching import Launch
from domain.jobs.run import JobRun
from domain.jobs.run_events import Report
from domain.ports import Origin
from eventlog.archive import role
from eventlog.database.connection import Database
from eventlog.keys import LogFiles
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.verify import verify
from eventlog.seal.proofs import Prover, check_proof
from projections import failure_search, job_runs
from tests.support.logs import TESTER, parts, query
from tests.support.sample_logs.archives import ONE, archive_now, ended_run, equal_to_log, files_in
from tests.support.sample_logs.big_logs import fill, sabotage
from tests.support.sample_logs.seals import SealedLog, edit, pool

EVENT = """
    INSERT INTO jobs_events (notification_id, originator_id, originator_version, topic, state)
    SELECT coalesce({position}, nextval('jobs_events_notification_id_seq')), '{run_id}', {version},
        'job_run.x', ''
"""


async def test_the_same_key_leads_to_the_archived_run(archived: tuple[str, Path, UUID]) -> None:
    url, directory, run_id = archived

    async with parts(url, archive=directory) as part:
        again = await part.jobs.launch("job", ONE, TESTER)
        assert (again.run_id, again.row) == (run_id, None)
        with pytest.raises(ConflictError, match="another body"):
            await part.jobs.launch("job", Launch(idempotency_key="one", body={"other": 1}), TESTER)
        with pytest.raises(ConflictError, match="already succeeded"):
            await part.jobs.cancel(run_id, None, TESTER)
        retried = await part.jobs.retry(run_id, TESTER)
        assert retried.row is not None
        assert retried.row["context"] == {"retryOf": str(run_id)}
        old, new = (
            await part.reader.histories([run_id]),
            await part.reader.histories([retried.run_id]),
        )
        assert new[0].correlation_id == old[0].correlation_id
        loaded: JobRun = await asyncio.to_thread(part.jobs.repository.get, run_id)
        assert (loaded.status, loaded.version) == ("succeeded", 3)
        notifications = await asyncio.to_thread(part.jobs.notification_log.select, 1, 10)
        head = await part.reader.head()
        assert [one.id for one in notifications] == [
            one.position for one in await part.reader.after(0)
        ]
        assert notifications[-1].id == head


_CANCEL_AFTER_COMMIT = """
    CREATE SCHEMA canceling;
    CREATE FUNCTION canceling.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$
    BEGIN
        IF current_query() LIKE '%AS s' AND pg_current_xact_id_if_assigned() IS NULL THEN
            RAISE EXCEPTION 'canceled' USING ERRCODE = 'query_canceled';
        END IF;
        RETURN pg_catalog.clock_timestamp();
    END $$;
"""
"""Fails what is asked right after a commit, as a stop of the server does that arrives meanwhile."""


async def test_a_file_stays_where_its_transaction_was_committed_before_an_error(
    database_url: str, tmp_path: Path
) -> None:
    async with parts(database_url) as part:
        await ended_run(part)
    directory = tmp_path / "archive"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_CANCEL_AFTER_COMMIT)
        path = "canceling, public, pg_catalog"
        connection.execute(
            f"ALTER DATABASE {connection.info.dbname} SET search_path = {path}".encode()
        )
    with pytest.raises(errors.QueryCanceled):
        await archive_now(database_url, directory)
    assert query(database_url, "SELECT count(*) FROM log_archives") == [(1,)]
    assert len(files_in(directory)) == 1
    assert await equal_to_log(database_url, directory)


def attempt(url: str, *statements: str) -> None:
    """Run statements in a transaction that is undone."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        connection.rollback()


def event(run_id: UUID, version: int, position: str = "NULL") -> str:
    return EVENT.format(run_id=run_id, version=version, position=position)


@pytest.mark.parametrize("version", [1, 3, 4])
def test_no_version_of_an_archived_run_can_be_inserted_again(
    archived: tuple[str, Path, UUID], version: int
) -> None:
    url, _, run_id = archived
    with pytest.raises(errors.UniqueViolation, match="this run is archived"):
        attempt(url, event(run_id, version))


def test_nor_can_a_position_or_an_older_snapshot_be_used(archived: tuple[str, Path, UUID]) -> None:
    url, _, run_id = archived
    with pytest.raises(errors.UniqueViolation, match="positions up to"):
        attempt(url, event(uuid4(), 1, "4"))
    for level in ("REPEATABLE READ", "SERIALIZABLE"):
        with pytest.raises(errors.InvalidTransactionState):
            attempt(url, f"SET TRANSACTION ISOLATION LEVEL {level}", event(run_id, 1))
    attempt(url, event(uuid4(), 1))


def test_only_the_archivist_may_remove_and_only_what_is_archived(
    archived: tuple[str, Path, UUID],
) -> None:
    url, _, _ = archived
    name = f"somebody_{uuid4().hex}"
    somebody = (
        f"CREATE ROLE {name}; GRANT {name} TO current_user;"
        f" GRANT ALL ON jobs_events TO {name}; SET LOCAL ROLE {name}"
    )
    for who in ("SELECT 1", somebody):  # The first is the log's owner.
        with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
            attempt(url, who, "DELETE FROM jobs_events")
    for what in ("DELETE FROM jobs_events", "DELETE FROM jobs_events WHERE originator_version = 1"):
        with pytest.raises(errors.InsufficientPrivilege, match="only whole histories"):
            attempt(url, role.ASSUME, what)
    for what in ("UPDATE jobs_events SET actor = 'x'", "TRUNCATE jobs_events", event(uuid4(), 1)):
        with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
            attempt(url, role.ASSUME, what)


def test_the_file_can_be_read_by_anybody(archived: tuple[str, Path, UUID]) -> None:
    url, directory, run_id = archived
    [path] = files_in(directory)
    header, *events = [
        orjson.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    [(log_id,)] = query(url, "SELECT id::text FROM log_identity")
    assert header == {"format": "apphub-jobs archive 1", "logId": log_id, "number": 1}
    assert [(one["aggregateId"], one["version"]) for one in events] == [
        (str(run_id), number) for number in (1, 2, 3)
    ]
    assert orjson.loads(events[2]["state"])["result"] == {"fine": True}
    [(state, actor)] = query(
        url, "SELECT state, actor FROM jobs_events WHERE topic = 'log_archive.archived'"
    )
    recorded = orjson.loads(state)
    assert (recorded["file"], recorded["events"], recorded["runs"], actor) == (
        path.name,
        3,
        1,
        "system",
    )
    assert recorded["size_bytes"] == path.stat().st_size


async def test_what_has_not_ended_long_ago_stays(database_url: str, tmp_path: Path) -> None:
    directory = tmp_path / "archive"

    async with parts(database_url, archive=directory) as part:
        await ended_run(part)
        pending = (await part.jobs.launch("job", Launch(delay_ms=3_600_000), TESTER)).run_id
        assert await archive_now(database_url, directory, older_than=timedelta(hours=1)) == []
        # The table says that it has ended; its events do not.
        lie = """
            UPDATE job_runs SET status = 'canceled', completed_at = '2026-01-01'
            WHERE id = %s RETURNING 1
        """
        query(database_url, lie, pending)
        [file] = await archive_now(database_url, directory)
        assert file.runs == 1
        assert await part.reader.histories([pending]) != []
        assert query(
            database_url, "SELECT count(*) FROM jobs_events WHERE originator_id = %s", pending
        ) == [(1,)]
    assert files_in(directory) != []


async def test_of_a_sealed_log_only_what_is_sealed_is_archived(
    database_url: str, tmp_path: Path
) -> None:
    log = SealedLog(database_url, tmp_path, tmp_path / "archive")
    assert log.archive is not None

    async def run() -> UUID:
        async with parts(database_url, archive=log.archive) as part:
            return await ended_run(part, Launch())

    first = await run()
    await log.seal()
    await run()
    [file] = await archive_now(database_url, log.archive)
    assert file.runs == 1
    assert query(database_url, "SELECT id FROM archived_runs") == [(first,)]
    await log.seal()
    [second] = await archive_now(database_url, log.archive)
    assert second.runs == 1
    await log.seal()
    report = await log.verify()
    assert (report.clean, report.unsealed) == (True, 0)

    async def prove(position: int) -> None:
        async with pool(database_url) as connections:
            check_proof(
                await Prover(connections, log.archive, log.keys).inclusion(position), log.keys
            )

    await prove(second.first_position)
    edit(database_url, "UPDATE archived_blocks SET place = place + 1 WHERE archive = 2")
    with pytest.raises(Exception, match="is damaged"):
        await log.verify()


async def test_a_log_that_is_sealed_for_the_first_time_after_archiving(
    database_url: str, tmp_path: Path
) -> None:
    log = SealedLog(database_url, tmp_path, tmp_path / "archive")
    assert log.archive is not None
    await fill(database_url, 2_000)
    files = await archive_now(database_url, log.archive, max_events=1_500)
    assert len(files) == 3
    log.append(7)
    await log.seal()
    report = await log.verify()
    [(stored,)] = query(database_url, "SELECT count(*) FROM jobs_events")
    assert (report.clean, report.unsealed, report.events) == (
        True,
        0,
        stored + sum(file.events for file in files),
    )


async def test_spoiled_rows_of_archived_runs_are_mended(database_url: str, tmp_path: Path) -> None:
    directory = tmp_path / "archive"
    await fill(database_url, 400, succeeded=True)
    await archive_now(database_url, directory)
    spoiled = [str(run_id) for run_id in sabotage(database_url, 40)]
    differences: list[Difference] = []
    await verify(
        Database(database_url, LogFiles(directory)),
        [job_runs.TABLE],
        differences.append,
        lambda *_: None,
    )
    named = {one.key: one for one in differences if one.kind != "extra"}
    assert set(named) == set(spoiled)
    assert all(len(one.events) == 3 for one in named.values())
    await rebuild(
        Database(database_url, LogFiles(directory)),
        job_runs.TABLE,
        differences.append,
        lambda *_: None,
    )
    assert await equal_to_log(database_url, directory)


async def test_of_archived_runs_only_the_services_retries_count_as_such(
    database_url: str, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    async with parts(database_url, archive=archive) as part:
        retried, claimed = [await ended_run(part, Launch()) for _ in range(2)]
        again = (await part.jobs.retry(retried, TESTER)).run_id
        words = Launch(context={"retryOf": str(claimed)})
        request = Origin("mallory", causation_id=uuid4())
        await part.jobs.launch("job", words, request)
        for claim in await part.executions.claim("worker", 2):
            await part.executions.succeed(claim.run.id, claim.holder, None, Report())
        async with part.pool.connection() as connection:
            for _ in range(2):
                known = await failure_search.repeated_among(connection, [retried, claimed])
                tree = await failure_search.retry_tree_of(connection, claimed)
                assert known == {retried}
                assert [one.id for one in tree] == [claimed]
                tree = await failure_search.retry_tree_of(connection, retried)
                assert {one.id for one in tree} == {retried, again}
                await archive_now(database_url, archive)
    assert query(database_url, "SELECT count(*) FROM archived_runs") == [(4,)]
