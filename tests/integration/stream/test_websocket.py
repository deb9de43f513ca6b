"""The event stream over a WebSocket (contract, section 5)."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import httpx

from tests.integration.shared_api import Json, SharedApi, job_body, moment, unique
from tests.integration.streams import Stream, stream
from tests.support.processes import Process


def launch(client: httpx.Client, entry_point: str, **fields: Any) -> str:
    job = job_body(entryPoint=entry_point, **fields)
    client.post("/jobs", json=job).raise_for_status()
    run = client.post(f"/jobs/{job['slug']}/run", json={"parameters": {"a": 1}}).raise_for_status()
    return str(run.json()["data"]["id"])


def is_change(run_id: str, status: str) -> Callable[[Json], bool]:
    """Return what recognises the last message of a run's step to this status."""

    def matches(message: Json) -> bool:
        run = message["data"].get("run", {})
        return message["type"] == "job.run.updated" and (run["id"], run["status"]) == (
            run_id,
            status,
        )

    return matches


def changes(messages: list[Json]) -> list[Json]:
    return [message for message in messages if message["type"] != "job.run.updated"]


def check_positions(messages: list[Json]) -> None:
    """Check that positions rise, and that all but a position's last message announce another."""
    placed = [message for message in messages if "position" in message]
    for message, following in pairwise(placed):
        if message.get("more"):
            assert following["position"] == message["position"]
            assert following["eventId"] == message["eventId"]
        else:
            assert following["position"] > message["position"]
    assert all(message.get("more", True) is True for message in placed)
    assert "more" not in placed[-1]


def test_a_new_client_is_told_where_the_log_stands(shared: SharedApi) -> None:
    [log] = shared.rows(
        "SELECT id::text, (SELECT max(notification_id) FROM jobs_events) AS head FROM log_identity"
    )
    with stream(shared) as opened:
        ack = opened.next()
    assert set(ack) == {"type", "data", "emittedAt"}
    assert ack["type"] == "connection.ack"
    assert moment(ack["emittedAt"]) >= moment(ack["data"].pop("now"))
    assert ack["data"] == {"logId": log["id"], "head": log["head"]}


def test_a_ping_gets_a_pong_and_nothing_else_gets_an_answer(shared: SharedApi) -> None:
    with stream(shared) as opened:
        ack = opened.next()
        for sent in ("hello", "PING", "", b"ping", b"\xff\x00", '{"type":"ping"}', "x" * 60_000):
            opened.connection.send(sent)
        opened.connection.send("ping")
        pong = opened.next()
        assert (pong["type"], set(pong), set(pong["data"])) == (
            "pong",
            set(ack) | {"position"},
            {"now"},
        )
        assert pong["position"] == ack["data"]["head"]
        assert moment(pong["data"]["now"]) >= moment(ack["data"]["now"])
        opened.connection.send("ping")
        assert opened.next()["type"] == "pong"


def test_every_client_sees_each_change_of_a_run_once_and_as_that_event_left_it(
    client: httpx.Client, worker: Process
) -> None:
    del worker
    with stream(client) as one, stream(client) as two:
        acks = [one.next(), two.next()]
        run_id = launch(client, "test.echo")
        for each in (one, two):
            each.until(is_change(run_id, "succeeded"))
        # Whatever else there was to say of the first run has been said before.
        later = launch(client, "test.noop")
        for each in (one, two):
            each.until(is_change(later, "succeeded"))
    run = client.get(f"/job-runs/{run_id}").json()["data"]["run"]
    events = client.get(f"/job-runs/{run_id}/events").json()["data"]
    for each, ack in zip((one, two), acks, strict=True):
        _check_story(ack, each.of_run(run_id), run, events)
        check_positions(each.received)
        assert each.received[1]["position"] > ack["data"]["head"]
    assert [_without_time(message) for message in one.received[1:]] == [
        _without_time(message) for message in two.received[1:]
    ]


def _check_story(ack: Json, messages: list[Json], run: Json, events: list[Json]) -> None:
    pending, running, succeeded = changes(messages)
    assert [message["type"] for message in (pending, running, succeeded)] == [
        "job.run.pending",
        "job.run.running",
        "job.run.succeeded",
    ]
    for message in messages:
        assert set(message) - {"more"} == {
            "type",
            "data",
            "emittedAt",
            "position",
            "eventId",
            "occurredAt",
        }
        assert set(message["data"]) == {"run"}
        assert moment(message["emittedAt"]) >= moment(ack["data"]["now"])
    unstarted = {"startedAt": None, "completedAt": None, "durationMs": None, "result": None}
    assert unstarted.items() <= pending["data"]["run"].items()
    assert pending["data"]["run"]["status"] == "pending"
    assert running["data"]["run"]["status"] == "running"
    assert running["data"]["run"]["startedAt"] == running["occurredAt"]
    assert running["data"]["run"]["completedAt"] is running["data"]["run"]["result"] is None
    assert succeeded["data"]["run"] == run
    updates = [message for message in messages if message["type"] == "job.run.updated"]
    told_events = [(event["position"], event["eventId"], event["occurredAt"]) for event in events]
    assert [
        (each["position"], each["eventId"], each["occurredAt"]) for each in updates
    ] == told_events
    for change in (pending, running, succeeded):
        assert (
            change["data"]
            == next(each for each in updates if each["position"] == change["position"])["data"]
        )


def _without_time(message: Json) -> Json:
    return {name: value for name, value in message.items() if name != "emittedAt"}


def test_each_attempt_of_a_run_is_told(client: httpx.Client, worker: Process) -> None:
    del worker
    with stream(client) as opened:
        run_id = launch(client, "test.succeed_at_third", retryPolicy={"maxAttempts": 3})
        opened.until(is_change(run_id, "succeeded"))
        statuses = changes(opened.of_run(run_id))
    kinds = ["pending", "running"] * 3 + ["succeeded"]
    assert [message["type"] for message in statuses] == [f"job.run.{kind}" for kind in kinds]
    runs = [message["data"]["run"] for message in statuses]
    assert [run["status"] for run in runs] == kinds
    assert [run["attempt"] for run in runs] == [1, 1, 2, 2, 3, 3, 3]
    for run in runs:
        assert (run["startedAt"] is None) == (run["status"] == "pending")
        assert (
            (run["completedAt"] is None)
            == (run["durationMs"] is None)
            == (run["status"] != "succeeded")
        )


def test_a_cancel_of_a_pending_run_is_told(shared: SharedApi) -> None:
    with stream(shared) as opened:
        run = shared.launch(shared.register()["slug"])
        canceled = shared.client.post(f"/job-runs/{run['id']}/cancel").json()["data"]
        shared.client.post(f"/job-runs/{run['id']}/cancel")
        last = shared.launch(shared.register()["slug"])
        opened.until(is_change(last["id"], "pending"))
    kinds = ["job.run.pending", "job.run.updated", "job.run.canceled", "job.run.updated"]
    assert [message["type"] for message in opened.of_run(run["id"])] == kinds
    assert [message["data"]["run"] for message in opened.of_run(run["id"])] == [
        run,
        run,
        canceled,
        canceled,
    ]
    check_positions(opened.received)


def test_each_version_of_a_definition_is_told_once(shared: SharedApi) -> None:
    with stream(shared) as opened:
        first = shared.register()
        path = f"/jobs/{first['slug']}"
        second = shared.client.patch(path, json={"name": "Second"}).json()["data"]
        assert shared.client.patch(path, json={"name": "Second"}).json()["data"] == second
        shared.client.patch(path, json={"name": None})
        third = shared.client.patch(path, json={"name": "Third"}).json()["data"]
        opened.until(lambda message: message["data"].get("job") == third)
    _, *messages = opened.received
    assert {message["type"] for message in messages} == {"job.definition.updated"}
    assert [message["data"] for message in messages] == [
        {"job": first},
        {"job": second},
        {"job": third},
    ]
    check_positions(messages)


def test_an_app_and_each_step_of_its_ingestion_are_told(shared: SharedApi) -> None:
    app_id = unique("app")
    with stream(shared) as opened:
        answer = shared.client.post(
            "/apps", json={"id": app_id, "name": "An app", "repoUrl": "/srv/x"}
        )
        app = answer.json()["data"]
        last = shared.launch(shared.register()["slug"])
        opened.until(is_change(last["id"], "pending"))
    [step] = shared.get(f"/apps/{app_id}/history")["data"]
    steps = _data(opened, "repository.ingestion-event")
    assert steps == [{"event": step}]
    added, pending = _data(opened, "repository.updated")
    assert pending == {"repository": app}
    assert added == {
        "repository": {**app, "ingestStatus": "seed", "updatedAt": added["repository"]["updatedAt"]}
    }
    [run] = [
        message["data"]["run"]
        for message in opened.received
        if message["type"] == "job.run.pending"
        and message["data"]["run"]["slug"] == "repository-ingest"
    ]
    assert (run["parameters"], run["id"]) == ({"repositoryId": app_id}, step["jobRunId"])
    check_positions(opened.received)


def _data(opened: Stream, kind: str) -> list[Json]:
    return [message["data"] for message in opened.received if message["type"] == kind]
