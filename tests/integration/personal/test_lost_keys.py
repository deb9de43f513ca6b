"""Keys that are lost, wrong or altered: a clear error or `[erased]`, never a wrong value."""

import asyncio
import re
from pathlib import Path

import psycopg
import pytest

from domain.errors import SubjectKeysUnavailableError
from domain.jobs.launching import Launch
from eventlog.database.connection import PooledConnection
from eventlog.history.reader import Reader
from eventlog.keys import LogFiles, MasterKeyFile
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from projections.tables import TABLES
from tests.support.logs import TESTER, Parts, query
from tests.support.sample_logs.personal import ALICE, GIVEN
from tests.support.sample_logs.shops import Shop


async def test_a_run_whose_key_was_lost_is_not_executed(shop: Shop, part: Parts) -> None:
    run_id = (await part.jobs.launch("job", Launch(parameters=GIVEN), TESTER)).run_id
    # As by a backup without them.
    query(shop.url, "DELETE FROM subject_keys RETURNING 1")
    assert await part.executions.claim(await part.worker("w"), 1) == []
    assert (await part.jobs.run(run_id)).status == "failed"
    [(message,)] = query(shop.url, "SELECT error_message FROM job_runs")
    assert message == "personal data among its parameters are gone: address, customerId"


@pytest.mark.parametrize("change", ["missing", "other", "broken"])
async def test_without_the_right_master_key_nothing_is_read_or_written(
    shop: Shop, change: str
) -> None:
    async with shop.parts() as part:
        run_id = await shop.ended(part)
    shop.key.unlink()
    if change == "other":
        MasterKeyFile(shop.key).create()
    if change == "broken":
        shop.key.write_text("what?")
    text = shop.key.read_text() if shop.key.exists() else None
    async with shop.parts() as part:
        before = query(shop.url, "SELECT count(*) FROM jobs_events")
        for call in (
            part.jobs.launch("job", Launch(parameters=GIVEN), TESTER),
            part.subjects.erase(ALICE, None, TESTER),
            part.jobs.replay(run_id),
            part.reader.histories([run_id]),
            part.reader.after(0),
            shop.verify(),
        ):
            with pytest.raises(SubjectKeysUnavailableError, match=r"subjects\.key"):
                await call
        assert query(shop.url, "SELECT count(*) FROM jobs_events") == before
        # Others go on, in the very same writer.
        await part.jobs.launch("job", Launch(parameters={"day": "sunday"}), TESTER)
        assert (shop.key.read_text() if shop.key.exists() else None) == text


async def test_a_connection_opens_nothing_to_whoever_is_not_handed_the_keys(
    shop: Shop, part: Parts
) -> None:
    run_id = await shop.ended(part)
    async with shop.database.pool(1) as pool, await shop.database.connect() as connection:
        keyless = Reader(pool, LogFiles(archive=shop.archive))
        with pytest.raises(SubjectKeysUnavailableError, match="no master key was named"):
            await keyless.histories([run_id])
        assert await Reader(pool, shop.database.files).histories([run_id])
        assert type(connection) is psycopg.AsyncConnection
        async with pool.connection() as lent:
            assert type(lent) is PooledConnection


async def test_two_processes_with_different_files_cannot_both_encrypt(
    shop: Shop, tmp_path: Path
) -> None:
    other = Shop(shop.url, tmp_path / "other")
    other.key.parent.mkdir()
    async with shop.parts() as one, other.parts() as two:
        outcomes = await asyncio.gather(
            *(
                shop.ended(part, customerId=f"c{number}")
                for number in range(8)
                for part in (one, two)
            ),
            return_exceptions=True,
        )
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(outcome, SubjectKeysUnavailableError) for outcome in failed)
    assert len(failed) == 8
    assert query(shop.url, "SELECT count(DISTINCT master) FROM subject_keys") == [(1,)]


async def test_an_altered_ciphertext_is_named_and_the_fold_goes_on(shop: Shop, part: Parts) -> None:
    await shop.ended(part)
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE jobs_events DISABLE TRIGGER USER")
        connection.execute(
            "UPDATE jobs_events SET state = convert_to(regexp_replace(convert_from(state, 'UTF8'),"
            " '(\"address\":\")(.)', '\\1' ||"
            " CASE WHEN convert_from(state, 'UTF8') ~ '\"address\":\"A'"
            " THEN 'B' ELSE 'A' END), 'UTF8') WHERE topic = 'job_run.requested'"
        )
    differences: list[Difference] = []
    checked = await verify(shop.database, TABLES, differences.append, lambda *_: None)
    assert sum(one.unreadable for one in checked) == len(differences) == 1
    assert re.search(
        r"position 2: the encrypted value of .* is not what was stored", str(differences[0].reason)
    )
