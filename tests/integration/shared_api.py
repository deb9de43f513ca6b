"""One API process for all tests of a module, and the questions they have in common."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.support import databases
from tests.support.processes import Process, started

Json = dict[str, Any]

AS_JSON = {"Content-Type": "application/json"}
"""Headers of a body that a test wrote itself."""


@dataclass(frozen=True)
class SharedApi:
    """A running API with a database of its own; tests keep apart by the slugs they use."""

    client: httpx.Client
    database_url: str
    process: Process

    def rows(self, query: str, *values: Any) -> list[Json]:
        """Return what a client's SQL report would see."""
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def count_events(self) -> int:
        """Return how many events the log holds."""
        return int(self.rows("SELECT count(*) AS events FROM jobs_events")[0]["events"])

    @contextmanager
    def nothing_written(self) -> Iterator[None]:
        """Check that no event is appended meanwhile."""
        before = self.count_events()
        yield
        assert self.count_events() == before

    def head(self) -> int:
        """Return the position of the log's last event."""
        return int(self.get("/job-runs/counts")["meta"]["position"])

    def register(self, **fields: Any) -> Json:
        """Register a job under a slug that nobody uses, unless one is given."""
        answer = self.client.post("/jobs", json=job_body(**fields))
        assert answer.status_code == 201, answer.text
        return dict(answer.json()["data"])

    def launch(self, slug: str, body: Json | None = None, **headers: str) -> Json:
        """Launch a run."""
        answer = self.client.post(f"/jobs/{slug}/run", json=body or {}, headers=headers)
        assert answer.status_code == 202, answer.text
        return dict(answer.json()["data"])

    def get(self, path: str, **query: Any) -> Json:
        """Return the body of a success."""
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@contextmanager
def shared_api(
    server_url: str, directory: Path, data_dir: Path, *options: str
) -> Iterator[SharedApi]:
    """Run the API on a clone of the migrated database."""
    with databases.clone(server_url, databases.template(server_url, directory)) as database_url:
        arguments = ("serve", "--port", "0", "--data-dir", str(data_dir), *options)
        with (
            started(*arguments, APPHUB_DATABASE_URL=database_url) as process,
            httpx.Client(base_url=process.url(), timeout=90) as client,
        ):
            yield SharedApi(client, database_url, process)


def unique(prefix: str = "job") -> str:
    """Return a slug that nobody uses."""
    return f"{prefix}-{uuid4().hex[:12]}"


def job_body(**fields: Any) -> Json:
    """Return the least that registers a job, with these fields changed."""
    return {
        "slug": unique(),
        "name": "A job",
        "type": "batch",
        "entryPoint": "tests.nowhere",
        **fields,
    }


def at_once(calls: int, call: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """Make the same call from as many threads, and return the answers."""
    with ThreadPoolExecutor(calls) as executor:
        return list(executor.map(call, range(calls)))


def check_failure(
    answer: httpx.Response, status: int, code: str, message: str | None = None
) -> None:
    """Check the body of a failure that is no validation."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error", "code"}
    assert body["code"] == code
    assert isinstance(body["error"], str)
    assert message is None or body["error"] == message


def issues_of(answer: httpx.Response) -> list[Json]:
    """Check the body of a 400, and return its issues."""
    assert answer.status_code == 400, f"{answer.status_code}: {answer.text}"
    body = answer.json()
    assert set(body) == {"error", "code", "issues"}
    assert body["code"] == "validation_failed"
    assert set(body["error"]) == {"formErrors", "fieldErrors"}
    form, fields = body["error"]["formErrors"], body["error"]["fieldErrors"]
    messages = [*form, *(message for of_field in fields.values() for message in of_field)]
    assert all(isinstance(message, str) and message for message in messages)
    assert len(messages) == len(body["issues"]) > 0
    for issue in body["issues"]:
        assert set(issue) == {"path", "message", "keyword"}
        assert issue["path"] == "" or issue["path"].startswith("/")
        assert issue["message"]
        assert issue["keyword"]
    return list(body["issues"])


def moment(text: str) -> datetime:
    """Read a time as the API writes it: ISO 8601, UTC, with milliseconds and a Z."""
    assert _TIME.fullmatch(text), text
    return datetime.fromisoformat(text)


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
