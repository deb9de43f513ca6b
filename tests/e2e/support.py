"""What several end-to-end tests do: an API and a worker at work, requests, and processes."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from api import embedded
from tests.support import databases
from tests.support.processes import eventually, started
from tests.support.sample_logs import promises


@contextmanager
def at_work(
    server_url: str, directory: Path, data_dir: Path, *options: str
) -> Iterator[httpx.Client]:
    """Run an API and a worker with the tests' handlers on a database of their own; give a client.

    Once both have ended, their log is held against the promises of the state machine.
    """
    with databases.clone(server_url, databases.template(server_url, directory)) as database_url:
        common = ("--data-dir", str(data_dir))
        work = ("worker", *common, "--handlers", "tests.support.handlers", *options)
        with (
            started("serve", "--port", "0", *common, APPHUB_DATABASE_URL=database_url) as api,
            started(*work, APPHUB_DATABASE_URL=database_url) as worker,
            httpx.Client(base_url=api.url(), timeout=90) as client,
        ):
            worker.wait_for_line("is ready with", errors=True)
            yield client
        promises.kept(database_url)


def register(client: httpx.Client, slug: str, entry_point: str, **more: Any) -> None:
    """Register a job."""
    body = {"slug": slug, "name": slug, "type": "batch", "entryPoint": entry_point, **more}
    client.post("/jobs", json=body).raise_for_status()


def launch(client: httpx.Client, slug: str, **body: Any) -> str:
    """Launch a run and return its id."""
    answer = client.post(f"/jobs/{slug}/run", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["data"]["id"])


def wait_for_words(client: httpx.Client, run_id: str, words: str) -> None:
    """Wait until a handler has printed this: a run may be `running` before its process is."""
    eventually(
        lambda: words in client.get(f"/job-runs/{run_id}/logs").text,
        what=f"run {run_id} printing {words!r}",
    )


def events(client: httpx.Client, run_id: str) -> list[dict[str, Any]]:
    """Return a run's history."""
    return list(client.get(f"/job-runs/{run_id}/events").raise_for_status().json()["data"])


def topics(client: httpx.Client, run_id: str) -> list[str]:
    """Return what happened to a run, without the word that all topics share."""
    return [event["type"].removeprefix("job_run.") for event in events(client, run_id)]


def server_pids(data_dir: Path) -> list[int]:
    """Return the processes of the data directory's PostgreSQL."""
    cluster = (data_dir / "postgres").resolve() / "data"
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == cluster:
                lines.append(int(process.name))
    return lines


def embedded_url(data_dir: Path) -> str:
    """Return how to reach the PostgreSQL that runs in a data directory."""
    password = (data_dir / "postgres.password").read_text()
    lock_file = (data_dir / "postgres").resolve() / "data" / "postmaster.pid"
    socket = lock_file.read_text().splitlines()[4]
    who = f"{embedded.SERVICE}:{password}"
    return f"postgresql://{who}@/{embedded.DATABASE}?host={quote(socket, safe='')}"


def kill(pids: list[int]) -> None:
    """Kill processes; some may be gone already."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
