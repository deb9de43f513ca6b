"""The ingestion in its own process, as a worker runs it: what comes through, and what is left."""

import asyncio
import json
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests import ROOT
from tests.support.git.git_servers import http_server, tcp_server
from tests.support.git.repositories import app_at, git, repository
from tests.support.packages import BUILTIN_HANDLERS
from worker.executors.local.executor import ProcessExecutor
from worker.executors.port import Outcome, Task

PROJECT = ROOT

PNG = b"\x89PNG\r\n\x1a\n"


async def attempted(task: Task, cancel_when: asyncio.Event | None = None) -> Outcome:
    executor = ProcessExecutor(BUILTIN_HANDLERS, size=0)
    attempt = await executor.submit(task, lambda _: None, monotonic() + 60)
    if cancel_when is not None:
        await cancel_when.wait()
        attempt.cancel(grace_s=30)
    outcome = await attempt.outcome()
    await executor.aclose()
    return outcome


def task_of(tmp_path: Path, repo_url: str, **settings: Any) -> Task:
    return Task(
        run={"id": "1", "slug": "repository-ingest", "attempt": 1, "maxAttempts": 3, "context": {}},
        definition={},
        entry_point="catalog.ingestion.processRepository",
        parameters={"repositoryId": "Shop"},
        inputs=app_at(repo_url),
        settings={"allowPrivateRepositories": True, **settings},
        timeout_ms=60_000,
        memory_mb=None,
        deadline=None,
        log_path=tmp_path / "log",
    )


async def test_the_largest_record_comes_through(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(8)]
    files: dict[str, str | bytes] = {
        "previews.json": json.dumps(names),
        "Dockerfile": "FROM scratch",
    }
    for number, name in enumerate(names):
        files[name] = (PNG + name.encode()).ljust(1_500_000 if number < 2 else 30_000)
    origin = repository(tmp_path, files)
    outcome = await attempted(task_of(tmp_path, str(origin)))
    assert outcome.kind == "result"
    (effect,) = outcome.message["effects"]
    assert len(effect["data"]["preview_tiles"]) == 6
    assert len(json.dumps(outcome.message)) > 4_000_000
    assert "at commit " + git(origin, "rev-parse", "HEAD") in (tmp_path / "log").read_text()


async def test_a_refused_repository_is_not_tried_again(tmp_path: Path) -> None:
    outcome = await attempted(task_of(tmp_path, "/srv/git/shop", allowLocalPaths=False))
    assert (outcome.kind, outcome.message["permanent"]) == ("error", True)
    assert outcome.message["message"].startswith("repositories at local paths are switched off")


async def test_a_server_that_fails_is_tried_again(tmp_path: Path) -> None:
    with http_server(lambda handler: handler.say(500)) as server:
        outcome = await attempted(task_of(tmp_path, f"http://{server.address}/shop.git"))
    assert (outcome.kind, outcome.message["permanent"]) == ("error", False)


async def test_a_cancel_while_a_server_says_nothing_is_prompt(tmp_path: Path) -> None:
    started = monotonic()
    canceled = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(connection: Any) -> None:
        while connection.recv(4_096):
            loop.call_soon_threadsafe(canceled.set)

    with tcp_server(hang) as address:
        outcome = await attempted(task_of(tmp_path, f"git://{address}/shop.git"), canceled)
    assert (outcome.kind, outcome.message["status"]) == ("result", "canceled")
    assert monotonic() - started < 60


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="needs the project's own repository")
async def test_this_project_is_read(tmp_path: Path) -> None:
    outcome = await attempted(task_of(tmp_path, str(PROJECT)))
    assert outcome.kind == "result", outcome.message
    (effect,) = outcome.message["effects"]
    record = effect["data"]
    assert record["commit_sha"] == git(PROJECT, "-c", "safe.directory=*", "rev-parse", "HEAD")
    assert (record["name"], record["dockerfile_path"]) == ("apphub-jobs", "Dockerfile")
    assert record["description"] in (PROJECT / "README.md").read_text().splitlines()
    assert {"key": "language", "value": "python"} in record["tags"]
