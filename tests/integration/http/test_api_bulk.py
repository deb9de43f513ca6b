"""`/bulk`: what each call does and answers, and that a running service goes on by itself."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from apphub_jobs import Client
from apphub_jobs.client import ConflictError, NotFoundError, WaitTimeoutError
from domain.bulk import BulkOperation, Order
from tests.integration.http.test_openapi import Tour
from tests.integration.shared_api import Json, SharedApi, unique
from tests.support.logs import parts
from tests.support.processes import eventually


@pytest.fixture(scope="module")
def tour(shared: SharedApi) -> Tour:
    return Tour(shared.client, shared.get("/openapi.json"))


@pytest.fixture
def waiting(shared: SharedApi) -> tuple[str, list[Json]]:
    """Launch runs that wait; return their job and them, the oldest first."""
    slug = shared.register(slug=unique("bulk"))["slug"]
    return slug, [shared.launch(slug, {"delayMs": 3_600_000}) for _ in range(25)]


def body(*words: str, action: str = "cancel", **fields: Any) -> Json:
    return {"action": action, "filter": [*words], "reason": "tidy up", **fields}


def ended(shared: SharedApi, operation: Json) -> Json:
    """Wait for an operation's end; return it."""
    path = f"/bulk/{operation['id']}"
    eventually(lambda: shared.get(path)["data"]["status"] != "running", what="its end")
    return dict(shared.get(path)["data"])


def test_a_preview_tells_what_would_happen_and_nothing_does(
    shared: SharedApi, tour: Tour, waiting: tuple[str, list[Json]]
) -> None:
    slug, runs = waiting
    with shared.nothing_written():
        preview = tour.call("POST /bulk", 200, json=body(f"job={slug}", dryRun=True))
    assert (preview["count"], preview["refused"]) == (25, [])
    assert preview["position"] == shared.head()
    newest = [run["id"] for run in runs[::-1]]
    assert [run["id"] for run in preview["sample"]] == newest[:20]


def test_it_goes_on_by_itself_to_its_end_and_its_past_stays(
    shared: SharedApi, tour: Tour, waiting: tuple[str, list[Json]]
) -> None:
    slug, runs = waiting
    started = tour.call("POST /bulk", 202, json=body(f"job={slug}"))
    assert (started["status"], started["total"], started["done"]) == ("running", 25, 0)
    done = ended(shared, started)
    assert (done["status"], done["done"]) == ("completed", 25)
    assert tour.call("GET /bulk/{bulk_id}", 200, at=done["id"]) == done
    listed = tour.call("GET /bulk", 200, params={"limit": 1})
    assert listed == [done]
    page = shared.get("/bulk", limit=1)
    assert page["meta"]["hasMore"] is (page["meta"]["nextCursor"] is not None)
    statuses = {run["id"]: run["status"] for run in _runs(shared, slug)}
    assert set(statuses) == {run["id"] for run in runs}
    assert set(statuses.values()) == {"canceled"}
    [requested, *_] = shared.get("/events", subject=f"bulk_operation:{done['id']}")["data"]
    assert requested["type"] == "bulk_operation.requested"
    then = shared.get(f"/bulk/{done['id']}", asOf=requested["position"])["data"]
    assert then == started
    assert shared.get("/bulk", asOf=requested["position"], limit=1)["data"] == [started]
    request = {"params": {"asOf": started["position"]}, "at": done["id"]}
    tour.call("GET /bulk/{bulk_id}", 404, **request)


def _runs(shared: SharedApi, slug: str) -> list[Json]:
    return [item["run"] for item in shared.get("/job-runs", job=slug, limit=50)["data"]]


def test_each_runs_event_names_the_order_as_its_cause(
    shared: SharedApi, waiting: tuple[str, list[Json]]
) -> None:
    slug, runs = waiting
    started = shared.client.post("/bulk", json=body(f"job={slug}")).json()["data"]
    ended(shared, started)
    [requested, *_] = shared.get("/events", subject=f"bulk_operation:{started['id']}")["data"]
    history = shared.get(f"/job-runs/{runs[0]['id']}/events")["data"]
    assert history[-1]["type"] == "job_run.canceled"
    assert history[-1]["causationId"] == requested["eventId"]


def test_a_repeated_request_leads_to_the_first_operation(
    shared: SharedApi, tour: Tour, waiting: tuple[str, list[Json]]
) -> None:
    slug, _ = waiting
    with_key = {"headers": {"Idempotency-Key": unique("key")}}
    order = body(f"job={slug}")
    started = tour.call("POST /bulk", 202, json=order, **with_key)
    done = ended(shared, started)
    with shared.nothing_written():
        assert tour.call("POST /bulk", 202, json=order, **with_key) == done
        other = body(f"job={slug}", reason="another one")
        tour.call("POST /bulk", 409, json=other, **with_key)
        too_long = {"headers": {"Idempotency-Key": "k" * 256}}
        tour.call("POST /bulk", 400, json=order, **too_long)


def test_a_client_orders_waits_and_lists(
    shared: SharedApi, waiting: tuple[str, list[Json]]
) -> None:
    slug, runs = waiting
    where = [f"job={slug}"]
    with Client(str(shared.client.base_url)) as client:
        preview = client.bulk.dry_run("cancel", where)
        assert (preview.count, preview.refused) == (25, [])
        assert preview.sample[0].id == runs[-1]["id"]
        started = client.bulk.start("cancel", where, "tidy up")
        done = client.bulk.wait(started.id, timeout=90)
        assert (done.status, done.done, done.is_over) == ("completed", 25, True)
        assert client.bulk.show(started.id) == done
        assert client.bulk.show(started.id, as_of=shared.head()) == done
        assert next(client.bulk.each()) == done
        assert done in list(client.bulk.each())
        with pytest.raises(ConflictError, match="completed already"):
            client.bulk.abort(started.id, "too late")
        other = client.bulk.start(
            "rerun", where, "again", parameters={"n": 1}, idempotency_key=slug
        )
        with pytest.raises(ConflictError, match="another body"):
            client.bulk.start("rerun", where, "again", idempotency_key=slug)
        assert client.bulk.wait(other.id).patch == {"n": 1}
    first = shared.get(f"/bulk/{other.id}/runs", limit=20)
    second = shared.get(f"/bulk/{other.id}/runs", limit=20, cursor=first["meta"]["nextCursor"])
    launched = first["data"] + second["data"]
    assert {run["context"]["retryOf"] for run in launched} == {run["id"] for run in runs}
    assert (first["meta"]["counts"]["pending"], second["meta"]["hasMore"]) == (25, False)
    with Client(str(shared.client.base_url)) as client:
        assert (
            len(list(client.bulk.runs(other.id))) == client.bulk.counts(other.id)["pending"] == 25
        )
        with pytest.raises(NotFoundError):
            client.bulk.wait(str(uuid4()))


def test_a_client_waits_no_longer_than_it_is_told(shared: SharedApi) -> None:
    newer = Order(action="cancel", filter=["phase=moon"], reason="of a newer version")

    async def order() -> UUID:
        async with parts(shared.database_url) as part:
            jobs = part.jobs
            operation = BulkOperation.request(jobs.new_id(), newer, 1, 1, "tester", jobs.clock())
            await jobs.save(operation)
            return operation.id

    operation_id = str(asyncio.run(order()))
    with (
        Client(str(shared.client.base_url)) as client,
        pytest.raises(WaitTimeoutError, match="0 of 1 runs after 0 s"),
    ):
        client.bulk.wait(operation_id, timeout=0)


def test_who_aborts_is_told_what_was_done(
    shared: SharedApi, tour: Tour, waiting: tuple[str, list[Json]]
) -> None:
    slug, _ = waiting
    started = shared.client.post("/bulk", json=body(f"job={slug}")).json()["data"]
    ended(shared, started)
    tour.call("POST /bulk/{bulk_id}/abort", 409, at=started["id"], json={})
    tour.call("POST /bulk/{bulk_id}/abort", 404, at=uuid4(), json={"reason": "stop"})
    tour.call("GET /bulk/{bulk_id}", 404, at="nothing")
    assert tour.call("POST /bulk/{bulk_id}/abort", 400, at=started["id"], json=7) is None


@pytest.mark.parametrize(
    ("sent", "field", "message"),
    [
        (body(), "filter", "means all runs"),
        (body("stauts=failed"), "filter", "did you mean status?"),
        (body("status=failed"), "filter", "cancel is for runs that are pending"),
        (body("job=a", action="stop"), "action", "cancel"),
        (body("all", reason=None), "reason", "say why"),
        (body("all", reason=""), "reason", "at least 1"),
        (body("job=a", patch={"parameters": {"n": 1}}), "patch", "leave it out"),
        (body("job=a", patch={"timeoutMs": 1}), "patch", "timeoutMs"),
        (
            body("job=a", action="rerun", patch={"parameters": {"n": "x" * 70_000}}),
            "patch",
            "at most 65536",
        ),
    ],
    ids=lambda one: str(one)[:50],
)
def test_what_is_refused_has_done_nothing(
    shared: SharedApi, sent: Json, field: str, message: str
) -> None:
    with shared.nothing_written():
        answer = shared.client.post("/bulk", json=sent)
    assert answer.status_code == 400, answer.text
    problems = answer.json()["error"]
    messages = problems["fieldErrors"].get(field) or problems["formErrors"]
    assert message in " ".join(messages)
