"""Each body that OpenAPI shows as an example is accepted as it stands, and ids stay as they are."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.reference import IDS
from tests.e2e.support import launch, register
from tests.support.processes import Process, eventually, wait_for_run

Operation = tuple[str, str, Any]
"""A method, a path and the example of its body."""


@pytest.fixture
def operations(client: httpx.Client) -> dict[str, Operation]:
    """Return the operations of the service's OpenAPI that take a body, by their ids."""
    paths = client.get("/openapi.json").raise_for_status().json()["paths"]
    return {
        operation["operationId"]: (method, path, content["example"])
        for method, path, operation in _operations(paths)
        if (content := _body_of(operation)) is not None
    }


def _operations(paths: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _body_of(operation: dict[str, Any]) -> dict[str, Any] | None:
    if "requestBody" not in operation:
        return None
    content: dict[str, Any] = operation["requestBody"]["content"]["application/json"]
    return content


class Tour:
    """Sends examples, and remembers which."""

    def __init__(self, client: httpx.Client, operations: dict[str, Operation]) -> None:
        self._client = client
        self._operations = operations
        self.sent: set[str] = set()

    def try_send(self, operation_id: str, at: str = "") -> httpx.Response:
        """Send an operation's example to what `at` names."""
        method, template, example = self._operations[operation_id]
        self.sent.add(operation_id)
        path = re.sub(r"\{\w+\}", at, template)
        return self._client.request(method, path, json=example)

    def send(self, operation_id: str, at: str = "") -> Any:
        """Send it and return what came of it."""
        answer = self.try_send(operation_id, at)
        assert answer.is_success, (operation_id, answer.status_code, answer.text)
        return answer.json()["data"]


def test_every_example_of_a_body_is_accepted(
    client: httpx.Client, worker: Process, operations: dict[str, Operation]
) -> None:
    del worker
    tour = Tour(client, operations)
    _send_those_of_jobs(tour)
    _send_those_of_schedules(tour)
    _send_those_of_bulk_operations(tour, client)
    _send_those_of_failures(tour, client)
    _erase_a_subject(tour, client)
    assert tour.send("saveView", "failed")["sort"] == "duration"
    app = tour.send("addApp")
    tour.send("requestBuild", app["id"])
    assert tour.sent == set(operations)


def _send_those_of_jobs(tour: Tour) -> None:
    slug = tour.send("registerJob")["slug"]
    run = tour.send("launchRun", slug)
    assert tour.send("cancelRun", run["id"])["status"] == "canceled"
    assert tour.send("retryRun", run["id"])["priority"] == 10
    assert tour.send("reviseJob", slug)["version"] == 2
    assert tour.send("pauseJob", slug)["paused"]["reason"]


def _send_those_of_schedules(tour: Tour) -> None:
    assert tour.send("previewDraft")
    schedule = tour.send("createSchedule")["id"]
    assert tour.send("reviseSchedule", schedule)["cron"] == "0 3 * * *"
    tour.send("backfillSchedule", schedule)
    assert tour.send("pauseSchedule", schedule)["paused"]


def _send_those_of_bulk_operations(tour: Tour, client: httpx.Client) -> None:
    """Abort one before it has come to its end: it may be quicker, then another one is started."""
    parameters = {"region": "eu"}

    def aborted() -> bool:
        for _ in range(30):
            launch(client, "nightly-report", parameters=parameters, delayMs=60_000)
        operation = tour.send("startBulkOperation")
        return tour.try_send("abortBulkOperation", operation["id"]).is_success

    eventually(aborted, what="a bulk operation being aborted")


def _send_those_of_failures(tour: Tour, client: httpx.Client) -> None:
    register(client, "fails", "test.fail")
    run = wait_for_run(client, launch(client, "fails"))
    assert run["status"] == "failed"

    def groups() -> list[Any]:
        listed = client.get("/failures", params={"job": "fails"}).raise_for_status()
        return list(listed.json()["data"])

    [group] = eventually(groups, what="the failure being grouped")
    tour.send("retryFailure", group["fingerprint"])
    assert tour.send("resolveFailure", group["fingerprint"])["status"] == "resolved"


def _erase_a_subject(tour: Tour, client: httpx.Client) -> None:
    mark = {"type": "string", "x-subject": "customer"}
    schema = {"type": "object", "properties": {"customer": mark}}
    register(client, "personal", "tests.nowhere", parametersSchema=schema)
    parameters = {"customer": "customer-4711"}
    run_id = launch(client, "personal", parameters=parameters, delayMs=60_000)
    client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
    assert tour.send("eraseSubject")["runs"] == 1


def test_every_operation_has_an_id_of_its_own_that_stays(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").raise_for_status().json()["paths"]
    problems = {
        f"{method} {path}": operation["operationId"]
        for method, path, operation in _operations(paths)
    }
    assert problems.items() >= IDS.items()
    assert len(set(problems.values())) == len(problems)
    assert [one for one in IDS.values() if not re.fullmatch("[a-z]+[A-Za-z]*", one)] == []
