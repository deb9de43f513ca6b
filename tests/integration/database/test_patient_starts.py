"""A start outlives a database that goes away meanwhile, at whatever moment."""

import asyncio
import os
import signal
from pathlib import Path
from random import Random
from time import sleep

import psycopg
import pytest

from api.bootstrap.service import running
from api.bootstrap.settings import Settings
from tests.support import databases
from tests.support.processes import Process, eventually
from tests.support.slow import slow
from tests.support.wires.proxy import Cut, Proxy

CUTS = int(os.environ.get("APPHUB_START_CUTS", "8"))
"""At how many messages of a start its connection is lost."""

KILLS = int(os.environ.get("APPHUB_START_KILLS", "2"))
"""During how many starts of each kind PostgreSQL is killed."""

SEED = int(os.environ.get("APPHUB_START_SEED", "1"))

AWAY_S = 0.2


def _settings(url: str, data_dir: Path) -> Settings:
    return Settings(url, data_dir, wait_for_database_s=60)


async def test_a_start_survives_the_loss_of_its_database_at_any_message(
    database_server: str, shared_dir: Path, tmp_path: Path
) -> None:
    template = databases.template(database_server, shared_dir)
    with databases.clone(database_server, template) as url:
        async with Proxy(url) as proxy, running(_settings(proxy.url, tmp_path)):
            messages = proxy.messages
    random = Random(SEED)
    for _ in range(CUTS):
        cut = Cut(random.randrange(1, messages), random.choice(["before", "after"]))
        with databases.clone(database_server, template) as url:
            async with Proxy(url) as proxy:
                proxy.cut = cut
                outage = asyncio.create_task(_away_from(proxy, cut))
                async with running(_settings(proxy.url, tmp_path)):
                    outage.cancel()
                    proxy.refusing = False
            assert _slugs(url) == ["repository-build", "repository-ingest"]


async def _away_from(proxy: Proxy, cut: Cut) -> None:
    while not cut.happened:
        await asyncio.sleep(0.001)
    proxy.refusing = True
    proxy.lose_all()
    await asyncio.sleep(AWAY_S)
    proxy.refusing = False


def _slugs(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT slug FROM job_definitions ORDER BY slug")
        return [slug for (slug,) in rows]


@pytest.mark.slow
def test_processes_start_although_postgresql_is_killed_meanwhile(tmp_path: Path) -> None:
    if os.environ.get("APPHUB_TEST_DATABASE_URL"):
        pytest.skip("the server is not ours to be killed")
    directory = tmp_path / "server"
    random = Random(SEED)
    with databases.server(directory) as server_url:
        for _ in range(KILLS):
            for command in (["serve", "--port", "0"], ["worker"]):
                with databases.clone(server_url, None) as url:
                    _start_and_kill(command, url, directory, tmp_path, random)
                    eventually(lambda: _answers(server_url), what="the server's return")


def _start_and_kill(
    command: list[str], url: str, server: Path, tmp_path: Path, random: Random
) -> None:
    arguments = [*command, "--data-dir", str(tmp_path / "data")]
    process = Process(arguments, {"APPHUB_DATABASE_URL": url})
    try:
        # At any moment between the first look and the last step.
        sleep(random.uniform(0.2, 3))
        _kill(server)
        if command == ["worker"]:
            process.wait_for_line("is ready with", errors=True)
        else:
            process.url()
    finally:
        code = process.stop()
    assert code == 0
    assert "Traceback" not in "\n".join(process.errors)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def _kill(server: Path) -> None:
    """Let a server end at once; it is started again, and recovers."""
    cluster = (server / "postgres").resolve() / "data"
    pid, *_ = (cluster / "postmaster.pid").read_text().splitlines()
    os.kill(int(pid), signal.SIGQUIT)


@pytest.mark.slow
async def test_one_that_stays_away_ends_the_start_in_one_line(
    database_url: str, tmp_path: Path
) -> None:
    for command in (["serve", "--port", "0"], ["worker"]):
        async with Proxy(database_url) as proxy:
            arguments = [*command, "--data-dir", str(tmp_path / "data")]
            waiting = ["--wait-for-database-s", "0.5"]
            # After the first look: while it reads what is in the tables.
            cut = proxy.cut_at(40, "before")
            process = Process([*arguments, *waiting], {"APPHUB_DATABASE_URL": proxy.url})
            while not cut.happened:
                await asyncio.sleep(0.001)
            proxy.refusing = True
            proxy.lose_all()
            assert await asyncio.to_thread(process.popen.wait, 60) == 1
        output = "\n".join(process.errors)
        assert "cannot reach the database" in output
        assert "Traceback" not in output


@pytest.mark.parametrize("command", [slow(["serve", "--port", "0"]), ["worker"]])
async def test_a_start_that_waits_is_stopped_at_once(
    database_url: str, tmp_path: Path, command: list[str]
) -> None:
    async with Proxy(database_url) as proxy:
        arguments = [*command, "--data-dir", str(tmp_path / "data")]
        cut = proxy.cut_at(40, "before")
        process = Process(arguments, {"APPHUB_DATABASE_URL": proxy.url})
        while not cut.happened:
            await asyncio.sleep(0.001)
        proxy.refusing = True
        proxy.lose_all()
        await asyncio.to_thread(process.wait_for_line, "the database is away", errors=True)
        # It would go on to wait for a minute.
        await asyncio.to_thread(process.stop, signal.SIGTERM, 30)
    assert "Traceback" not in "\n".join(process.errors)
