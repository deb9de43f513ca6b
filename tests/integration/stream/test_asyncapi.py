"""The AsyncAPI document tells the truth: clients are generated from it."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jsonschema
import pytest

from api.stream.frames import message_types
from domain.bulk import BulkOperation, Order
from domain.failures.group import FailureGroup
from domain.failures.watch import FailureWatch
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.saved_views import SavedView, ViewContent
from domain.schedules.calendar import ScheduleSpec
from domain.schedules.schedule import Schedule
from tests.integration.http.test_openapi import references_in
from tests.integration.shared_api import Json, SharedApi, job_body
from tests.integration.streams import server_sent, stream
from tests.support import newer
from tests.support.in_process import in_process
from tests.support.logs import TESTER, parts, registered
from tests.unit.domain.failures.given import a_failure, identity


@pytest.fixture(scope="module")
def document(shared: SharedApi) -> Json:
    return shared.get("/asyncapi.json")


def resolve(document: Json, reference: str) -> Any:
    value: Any = document
    for part in reference.removeprefix("#/").split("/"):
        value = value[part]
    return value


def test_the_document_is_fit_for_generators(shared: SharedApi, document: Json) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert document["servers"]["ws"]["host"] == shared.client.base_url.netloc.decode()
    for reference in references_in(document):
        assert resolve(document, reference) is not None, reference
    for name, message in document["components"]["messages"].items():
        jsonschema.Draft7Validator.check_schema(message["payload"])
        assert message["name"] == name
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(
            message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"]
        )
    assert {channel["address"] for channel in document["channels"].values()} == {
        "/ws",
        "/events/stream",
    }


async def let_runs_end(database_url: str) -> None:
    """Let runs end in each possible way."""
    async with parts(database_url) as part:
        slug = await registered(part.jobs)
        spec = ScheduleSpec(job=slug, every_ms=3_600_000)
        schedule = Schedule.create("hourly", spec, part.jobs.clock())
        opened = FailureGroup.open(identity(), [a_failure()], part.jobs.clock())
        order = Order(action="cancel", filter=["job=nobody"], reason="none there")
        operation = BulkOperation.request(
            part.jobs.new_id(), order, 1, 0, "tester", part.jobs.clock()
        )
        search = FailureWatch.begin(1, part.jobs.clock())
        view = SavedView.save("failed", ViewContent(["status=failed"]), "tester", part.jobs.clock())
        await part.jobs.save(schedule, opened, operation, search, view, origin=TESTER)
        for _ in range(4):
            await part.jobs.launch(slug, Launch(max_attempts=1), TESTER)
        one, two, three, four = await part.executions.claim(await part.worker("worker"), 4)
        await part.executions.succeed(
            one.run.id, one.holder, {"a": [1]}, Report(metrics={"m": 1}, logs_url="/logs")
        )
        await part.executions.fail(
            two.run.id, two.holder, AttemptFailure("for a test"), Report(context={"c": None})
        )
        await part.executions.time_out(three.run.id, three.holder, Report())
        await part.executions.progress(four.run.id, four.holder, Report(metrics={"m": 2}))
        await part.jobs.cancel(four.run.id, "because", TESTER)
        await part.executions.confirm_cancel(four.run.id, four.holder, "stopped", Report())


async def let_everything_happen(client: httpx.Client, database_url: str) -> None:
    await let_runs_end(database_url)
    full = job_body(
        slug="full",
        retryPolicy={"maxAttempts": 2},
        metadata=["any"],
        outputSchema={},
        timeoutMs=1_000,
    )
    client.post("/jobs", json={**full, "resources": {"cpus": 1}}).raise_for_status()
    client.post("/jobs/full/pause", json={"reason": "why"}).raise_for_status()
    client.post("/jobs/full/resume").raise_for_status()
    client.delete("/jobs/full").raise_for_status()
    app = {"id": "app", "name": "An app", "repoUrl": "/srv/x", "tags": [{"key": "a", "value": "b"}]}
    client.post("/apps", json=app).raise_for_status()
    client.post("/apps/app/builds", json={"branch": "main"}).raise_for_status()
    marked = {"properties": {"who": {"x-subject": "who"}}}
    client.post("/jobs", json=job_body(slug="letter", parametersSchema=marked)).raise_for_status()
    launched = (
        client.post("/jobs/letter/run", json={"parameters": {"who": "bo"}})
        .raise_for_status()
        .json()
    )
    client.post(f"/job-runs/{launched['data']['id']}/cancel").raise_for_status()
    client.post("/subjects/erase", json={"subject": "bo"}).raise_for_status()
    newer.append(database_url, uuid4(), "webhook.created")


async def test_every_message_fits_its_schema_and_every_schema_is_seen(
    document: Json, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.stream.sessions.HEARTBEAT_S", 0.2)
    with in_process(database_url, tmp_path) as api:
        await let_everything_happen(api.client, database_url)
        with stream(api.client, after=0) as opened, server_sent(api.client, after=0) as events:
            for one in (opened, events):
                one.until(lambda message: message["type"] == "heartbeat")
            opened.until_served(0)
    for message in (*opened.received, *events.received):
        schema = document["components"]["messages"][message["type"]]["payload"]
        validator = jsonschema.Draft7Validator({**schema, "components": document["components"]})
        validator.validate(message)
    assert {message["type"] for message in opened.received} == set(
        document["components"]["messages"]
    ) - {"ping", "connection.ended"}
    assert {message["type"] for message in events.received} == {
        *message_types(),
        "connection.ack",
        "heartbeat",
    }
