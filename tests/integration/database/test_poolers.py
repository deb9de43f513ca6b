"""A pooler in front of the database: used if it can be, and what is lost by it is said."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.database.sql import CHANNEL
from runtime.tasks import Supervision
from tests.support.processes import Process, started
from tests.support.wires.pgbouncer import pgbouncer

LOST = "notifications do not arrive"


@pytest.fixture
def forgetful(database_url: str) -> Iterator[str]:
    with pgbouncer(database_url, pool_mode="transaction", max_prepared_statements=0) as url:
        yield url


@pytest.fixture
def pooled(database_url: str) -> Iterator[str]:
    with pgbouncer(database_url, pool_mode="transaction", max_prepared_statements=100) as url:
        yield url


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["worker"]])
def test_one_that_forgets_prepared_statements_is_refused_in_one_sentence(
    forgetful: str, command: list[str], tmp_path: Path
) -> None:
    arguments = [*command, "--data-dir", str(tmp_path / "data")]
    process = Process(arguments, {"APPHUB_DATABASE_URL": forgetful})
    assert process.popen.wait(60) == 1
    [error_line] = process.errors
    assert "max_prepared_statements" in error_line
    assert process.lines == []


async def test_a_listener_knows_that_it_is_deaf_though_it_receives_itself(pooled: str) -> None:
    listener = Listener(Database(pooled))
    connection = await Database(pooled).connect()
    # It keeps no session to itself, so it would hear what it tells itself at once.
    await connection.execute("SELECT 1")
    await connection.close()
    await listener.start(Supervision())
    with anyio.fail_after(30):
        while listener.receives:
            await anyio.sleep(0.05)
    await listener.stop()


async def test_what_comes_with_the_answer_to_listen_is_no_proof_of_hearing(pooled: str) -> None:
    database = Database(pooled)
    listener = Listener(database)
    async with await database.connect() as connection:
        # As if somebody had appended something meanwhile.
        await connection.execute(f"LISTEN {CHANNEL}; NOTIFY {CHANNEL}")
        assert not await listener._receives(connection)


def test_all_processes_say_that_notifications_are_lost(pooled: str, tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    with (
        started("serve", "--port", "0", *data, APPHUB_DATABASE_URL=pooled) as api,
        started("worker", *data, APPHUB_DATABASE_URL=pooled) as worker,
    ):
        api.url()
        for process in (api, worker):
            process.wait_for_line(LOST, errors=True)


def test_one_that_pools_sessions_is_as_good_as_none(database_url: str, tmp_path: Path) -> None:
    with pgbouncer(database_url, pool_mode="session", max_prepared_statements=0) as url:
        data = ("--data-dir", str(tmp_path / "data"))
        with started("serve", "--port", "0", *data, APPHUB_DATABASE_URL=url) as api:
            api.url()
            api.stop()
            assert not [line for line in api.errors if LOST in line]
