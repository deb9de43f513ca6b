"""Jobs made of typed functions: registered by their own definitions, and run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from apphub_jobs import Job
from tests.e2e.support import at_work, launch, register
from tests.support.handlers.typed import look, look_later, misplaced
from tests.support.processes import wait_for_run

MODULE = "tests.support.handlers.typed"


@pytest.fixture(scope="module")
def client(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Give a client of an API whose worker has the typed jobs as well, which are registered."""
    data_dir = tmp_path_factory.mktemp("data")
    with at_work(database_server, shared_dir, data_dir, "--handlers", MODULE) as client:
        jobs: tuple[Job[..., object], ...] = (look, look_later, misplaced)
        for job in jobs:
            client.post("/jobs", json=job.definition).raise_for_status()
        yield client


def run(client: httpx.Client, slug: str, **parameters: Any) -> dict[str, Any]:
    return wait_for_run(client, launch(client, slug, parameters=parameters))


def test_a_typed_job_is_called_with_what_its_signature_says(client: httpx.Client) -> None:
    ended = run(client, "look", window={"first": "2026-11-25", "days": 2})
    assert ended["status"] == "succeeded"
    assert ended["result"] == {"last": "2026-11-27", "attempt": 1}
    assert "looked until 2026-11-27" in client.get(ended["logsUrl"]).text
    ended = run(client, "look-later", window={"first": "2026-11-25"})
    assert (ended["status"], ended["result"]) == ("succeeded", "2026-11-25")


def test_parameters_that_do_not_fit_are_refused_at_the_launch(client: httpx.Client) -> None:
    body = {"parameters": {"window": {"first": "2026-11-25", "days": 0}}}
    answer = client.post("/jobs/look/run", json=body)
    assert answer.status_code == 400
    assert answer.json()["issues"][0]["path"] == "/parameters/window/days"


def test_parameters_that_fit_the_schema_alone_fail_the_run_for_good(client: httpx.Client) -> None:
    ended = run(client, "look", window={"first": "some day"})
    assert (ended["status"], ended["failureReason"]) == ("failed", "permanent_error")
    assert ended["attempt"] == 1
    message = "the parameters do not fit look: window.first: Input should be a valid"
    assert ended["errorMessage"].startswith(message)


def test_a_result_that_cannot_be_json_is_told_with_its_place(client: httpx.Client) -> None:
    ended = run(client, "misplaced")
    assert (ended["status"], ended["failureReason"]) == ("failed", "invalid_result")
    problem = "is no JSON: result.days[1].first is a value of type date"
    assert ended["errorMessage"].endswith(problem)


def test_a_plain_handler_may_return_what_json_can_hold(client: httpx.Client) -> None:
    register(client, "plain", "test.plain")
    ended = run(client, "plain")
    seen = {"id": ended["id"], "seen": [{"last": "2026", "attempt": 1}]}
    assert (ended["status"], ended["result"]) == ("succeeded", seen)
