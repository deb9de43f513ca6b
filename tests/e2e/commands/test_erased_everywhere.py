"""Somebody meets with every kind of failure, and is erased: nothing of it is left anywhere."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.e2e.support import embedded_url
from tests.integration.shared_api import job_body
from tests.integration.streams import stream
from tests.support.commands import typed
from tests.support.logs import query
from tests.support.processes import Process, eventually, started, wait_for_run
from tests.support.sample_logs.personal import SCHEMA, places_of

KEY = uuid4().hex
STREET = uuid4().hex
MAIL = uuid4().hex

WORDS = (KEY, STREET, MAIL)

GIVEN: dict[str, Any] = {
    "customerId": f"Zoë O'Hara {KEY}",
    "address": {"street": f"Elm Street {STREET}", f"{MAIL}@example.com": True},
}

DAYS = {
    "monday": "failed",
    "failed": "failed",
    "wrong": "failed",
    "expired": "expired",
    "canceled": "canceled",
}
"""How the handler is to end, and the status that comes of it."""

STRICT: dict[str, Any] = {
    **SCHEMA,
    "properties": {
        **SCHEMA["properties"],
        "customerId": {"type": "string", "maxLength": 3, "x-subject": "customerId"},
        "address": {"additionalProperties": {"type": "integer"}, "x-subject": "friend"},
    },
}

SAMPLED = """
    SELECT tablename, attname FROM pg_stats
    WHERE most_common_vals::text ~ %s OR histogram_bounds::text ~ %s
"""


@dataclass(frozen=True)
class Site:
    """An API and a worker on a private database."""

    client: httpx.Client
    directory: Path
    processes: tuple[Process, ...]

    @property
    def url(self) -> str:
        """The database's."""
        return embedded_url(self.directory)

    def post(self, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        """Send something, and return what comes back."""
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        data: dict[str, Any] = answer.json().get("data", {})
        return data

    def run(self, *words: str) -> str:
        """Run a command beside them, and return what it prints."""
        command = [*words, "--data-dir", str(self.directory)]
        done = typed(command, {"DATABASE_URL": None})
        assert done.returncode == 0, done
        return done.stdout


@contextmanager
def site(directory: Path) -> Iterator[Site]:
    options = ("--data-dir", str(directory))
    handlers = ("--handlers", "tests.support.sample_logs.personal")
    with ExitStack() as stack:
        serve = ("serve", "--port", "0", "--seal-every-s", "0.1", *options)
        api = stack.enter_context(started(*serve))
        url = api.url()
        worker = stack.enter_context(started("worker", *handlers, *options))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=90))
        yield Site(client, directory, (api, worker))


def fail_in_every_way(here: Site) -> list[str]:
    """Let runs with somebody's data end in every way that has words; return their ids."""
    here.post(
        "/jobs",
        job_body(
            slug="letter",
            entryPoint="test.quote",
            parametersSchema=SCHEMA,
            outputSchema={"properties": {"count": {"type": "integer"}}},
            retryPolicy={"maxAttempts": 2, "strategy": "none"},
        ),
        201,
    )
    ids: list[str] = []
    for day, status in DAYS.items():
        launch = {"parameters": {**GIVEN, "day": day}}
        run = here.post("/jobs/letter/run", launch, 202)
        ended = wait_for_run(here.client, run["id"], status)
        assert ended["errorMessage"]
        ids.append(run["id"])
    again = here.post(f"/job-runs/{ids[0]}/retry", None, 202)
    wait_for_run(here.client, again["id"], "failed")
    return [*ids, again["id"]]


def schedule(here: Site) -> None:
    """Try to schedule with somebody's data, and do without."""
    body = {"id": "letters", "job": "letter", "everyMs": 3_600_000}
    for slug, parameters in (("letters", GIVEN), ("others", {"friend": f"{KEY}"})):
        here.post("/schedules", {**body, "id": slug, "parameters": parameters}, 400)
    here.post("/schedules", {**body, "parameters": {"day": "monday"}}, 201)
    launched = here.post("/schedules/letters/trigger", None, 202)
    wait_for_run(here.client, launched["id"], "failed")
    now = datetime.now(UTC)
    span = {
        "from": (now - timedelta(hours=2)).isoformat(),
        "to": (now - timedelta(seconds=1)).isoformat(),
    }
    assert here.client.post("/schedules/letters/backfill", json=span).is_success


def rerun_by_a_stricter_schema(here: Site, run_ids: list[str]) -> None:
    """Rerun all runs in bulk, by a schema that refuses somebody's data."""
    changed = here.client.patch("/jobs/letter", json={"parametersSchema": STRICT})
    changed.raise_for_status()
    here.post(f"/job-runs/{run_ids[0]}/retry", None, 400)
    launch = {"parameters": {**GIVEN, "day": "monday"}}
    here.post("/jobs/letter/run", launch, 400)
    order = {"action": "rerun", "filter": ["job=letter"], "reason": "again"}
    preview = here.post("/bulk", {**order, "dryRun": True})
    assert KEY in json.dumps(preview), "the answer may say what is wrong"
    begun = here.post("/bulk", order, 202)

    def completed() -> Any:
        answer = here.client.get(f"/bulk/{begun['id']}").raise_for_status().json()
        return answer["data"]["status"] == "completed" and answer["data"]

    operation = eventually(completed, 60, "the bulk operation")
    assert operation["refused"] >= len(run_ids)


def see_groups(here: Site) -> None:
    """Wait until failures are grouped."""
    grouped = "SELECT 1 FROM failure_groups"
    eventually(lambda: query(here.url, grouped), 120, "the groups")


def answers_about(here: Site, run_ids: list[str]) -> dict[str, str]:
    """Return all that the service shows, by where it does."""
    texts: dict[str, str] = {}
    paths = ["/job-runs", "/failures", "/bulk", "/schedules", "/events?limit=200"]
    for run_id in run_ids:
        of_run = f"/job-runs/{run_id}"
        parts = ("", "/events", "/attempts", "/explain", "/logs?attempt=1")
        paths += [of_run + part for part in parts]
    for path in paths:
        answer = here.client.get(path)
        assert answer.status_code in {200, 404}, answer.text
        texts[path] = answer.text
    head = query(here.url, "SELECT max(notification_id) FROM jobs_events")[0][0]
    with stream(here.client, after=0) as opened:
        texts["/ws"] = json.dumps(opened.until_served(head), ensure_ascii=False)
    texts["export"] = here.run("events", "export")
    return texts


def files_with(directory: Path, *words: str) -> list[str]:
    """Return the files in which one of the words stands, but for those of the WAL."""
    paths: list[str] = []
    for path in directory.resolve().rglob("*"):
        if not path.is_file() or "pg_wal" in path.parts:
            continue
        content = path.read_bytes()
        if any(word.encode() in content for word in words):
            paths.append(str(path.relative_to(directory)))
    return paths


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_after_every_kind_of_failure_nothing_of_somebody_is_left(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with site(data) as here:
        run_ids = fail_in_every_way(here)
        schedule(here)
        rerun_by_a_stricter_schema(here, run_ids)
        see_groups(here)
        with psycopg.connect(here.url, autocommit=True) as connection:
            connection.execute("ANALYZE")
        here.run("log", "archive", "--older-than", "0s")
        before = answers_about(here, run_ids)
        assert KEY in before["/ws"], "its parameters are there"
        assert places_of(here.url, *WORDS) == {"job_runs.parameters"}
        erased = here.post("/subjects/erase", {"subject": GIVEN["customerId"]})
        assert erased["runs"] == len(run_ids)
        texts = answers_about(here, run_ids)
        assert [where for where, text in texts.items() if any(word in text for word in WORDS)] == []
        assert places_of(here.url, *WORDS) == set()
        with psycopg.connect(here.url, autocommit=True) as connection:
            pattern = "|".join(WORDS)
            assert connection.execute(SAMPLED, (pattern, pattern)).fetchall() == []
            connection.execute("VACUUM FULL job_runs")
            connection.execute("VACUUM subject_keys")
        processes = here.processes
    output = "\n".join(line for one in processes for line in one.lines + one.errors)
    assert not any(word in output for word in WORDS)
    assert files_with(data, *WORDS) == []
