"""`/failures`: what each call does and answers, and that a running service notes failures."""

import asyncio
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import pytest

from apphub_jobs import Client
from domain.jobs.run_events import AttemptFailure, Report
from tests.integration.http.test_openapi import Tour
from tests.integration.shared_api import Json, SharedApi
from tests.support.logs import parts

ENOUGH_S = 30.0


@pytest.fixture(scope="module")
def tour(shared: SharedApi) -> Tour:
    return Tour(shared.client, shared.get("/openapi.json"))


def fail(shared: SharedApi, slug: str, message: str) -> None:
    """Launch a run, and let it fail."""
    shared.launch(slug)
    asyncio.run(_fail(shared.database_url, message))


async def _fail(url: str, message: str) -> None:
    async with parts(url) as part:
        [claim] = await part.executions.claim(await part.worker(uuid4().hex), 1)
        failure = AttemptFailure(message, permanent=True)
        await part.executions.fail(claim.run.id, claim.holder, failure, Report())


def listed(tour: Tour, **conditions: Any) -> list[Json]:
    groups: list[Json] = tour.call("GET /failures", 200, params=conditions)
    return groups


def eventually_listed(tour: Tour, count: int, **conditions: Any) -> list[Json]:
    deadline = monotonic() + ENOUGH_S
    while len(groups := listed(tour, **conditions)) < count:
        assert monotonic() < deadline, groups
        sleep(0.1)
    return groups


def test_every_call_answers_as_its_schema_says(shared: SharedApi, tour: Tour) -> None:
    job = shared.register()["slug"]
    fail(shared, job, "order 1 not found")
    fail(shared, job, "car 2 has no wheel")
    car, order = eventually_listed(tour, 2, job=job.upper())
    assert (car["title"], order["title"]) == ("car <n> has no wheel", "order <n> not found")
    assert (order["status"], order["count"], order["job"]) == ("open", 1, job)
    name = order["fingerprint"]
    assert tour.call("GET /failures/{fingerprint}", 200, at=name) == order
    for action, status in (("ignore", "ignored"), ("reopen", "open"), ("resolve", "resolved")):
        operation = f"POST /failures/{{fingerprint}}/{action}"
        changed = tour.call(operation, 200, at=name)
        assert changed["status"] == status
        assert tour.call(operation, 200, at=name) == changed
    body = {"inVersion": 2}
    operation = "POST /failures/{fingerprint}/resolve"
    changed = tour.call(operation, 200, at=name, json=body)
    assert changed["resolvedInVersion"] == 2
    assert listed(tour, job=job, status="open") == [car]
    assert listed(tour, job=job, status="resolved") == [changed]
    assert listed(tour, job=job, status="ignored") == []
    before = shared.head() - 1
    assert listed(tour, job=job, status="open", asOf=before) == [car]
    assert listed(tour, job=job, asOf=shared.head()) == [car, changed]
    [was] = listed(tour, job=job, status="resolved", asOf=before)
    assert was["resolvedInVersion"] is None
    assert listed(tour, job=job, asOf=1) == []


def test_a_group_says_when_it_failed_and_how_often(shared: SharedApi, tour: Tour) -> None:
    job = shared.register()["slug"]
    fail(shared, job, "order 1 not found")
    eventually_listed(tour, 1, job=job)
    fail(shared, job, "order 2 not found")
    deadline = monotonic() + ENOUGH_S
    while (group := listed(tour, job=job)[0])["count"] < 2:
        assert monotonic() < deadline
        sleep(0.1)
    operation = "GET /failures/over-time"
    begin = group["firstAt"]
    names = {"group": f"{group['fingerprint']},{'0' * 16}", "from": begin, "bucketMs": 86_400_000}
    [counted] = tour.call(operation, 200, params=names)
    assert (counted["fingerprint"], counted["since"]) == (group["fingerprint"], begin)
    assert counted["buckets"] == [{"at": begin, "failures": 2}]
    [later] = tour.call(operation, 200, params={**names, "from": "2190-01-01T00:00:00Z"})
    assert later["buckets"] == []
    tour.call(operation, 400, params={**names, "from": "1970-01-01T00:00:00Z", "bucketMs": 60_000})


def test_what_failed_so_is_launched_anew(shared: SharedApi, tour: Tour) -> None:
    job = shared.register()["slug"]
    fail(shared, job, "order 1 not found")
    [group] = eventually_listed(tour, 1, job=job)
    operation, name = "POST /failures/{fingerprint}/retry", group["fingerprint"]
    with shared.nothing_written():
        preview = tour.call(operation, 200, at=name, json={"dryRun": True})
        assert [run["id"] for run in preview["sample"]] == [group["sampleRun"]]
        tour.call(operation, 400, at=name, json={})
        tour.call(operation, 404, at="0" * 16, json={"reason": "mended"})
    order = {"reason": "mended", "patch": {"parameters": {"day": 7}}}
    key = {"headers": {"Idempotency-Key": name}}
    started = tour.call(operation, 202, at=name, json=order, **key)
    assert started["filter"] == [f"job={job}", f"failureGroup={name}", "retried=false"]
    with Client(str(shared.client.base_url)) as client:
        done = client.bulk.wait(started["id"], timeout=90)
        assert (done.status, done.done, done.total) == ("completed", 1, 1)
        same = client.failures.retry(name, "mended", parameters={"day": 7}, idempotency_key=name)
        assert same == done
        assert client.failures.preview_retry(name).count == 0
        [run] = client.runs(job=job, where=["retried=false"])
        assert run.document.parameters == {"day": 7}
        run.cancel()  # The next test is to find its own run.
    _belong_together(tour, group, run.id, done)
    tour.call(operation, 409, at=name, json={"reason": "another"}, **key)


def _belong_together(tour: Tour, group: Json, retry: str, operation: Json) -> None:
    """Check that a run, its group, its retry and the bulk operation lead to each other."""
    operation_name = "GET /job-runs/{run_id}/related"
    old = tour.call(operation_name, 200, at=group["sampleRun"])
    assert old["failureGroup"]["fingerprint"] == group["fingerprint"]
    assert [run["id"] for run in old["retries"]] == [retry]
    assert old["bulkOperation"] is None
    new = tour.call(operation_name, 200, at=retry)
    assert (new["failureGroup"], new["retries"]) == (None, [])
    assert new["bulkOperation"]["id"] == operation["id"]
    tour.call(operation_name, 404, at=uuid4())
    runs = "GET /bulk/{bulk_id}/runs"
    assert [run["id"] for run in tour.call(runs, 200, at=operation["id"])] == [retry]
    tour.call(runs, 404, at=uuid4())
    tour.call(runs, 400, at=operation["id"], params={"cursor": "x"})


def test_pages_follow_each_other_now_and_then(shared: SharedApi, tour: Tour) -> None:
    slug = shared.register()["slug"]
    messages = ["a is wrong", "b is wrong", "c is wrong"]
    for message in messages:
        fail(shared, slug, message)
    whole = eventually_listed(tour, 3, job=slug)
    moment = shared.head()
    for query in ({}, {"asOf": moment}):
        seen: list[Json] = []
        cursor: str | None = ""
        for _ in messages:
            answer = shared.get("/failures", job=slug, limit=1, cursor=cursor, **query)
            assert answer["meta"].get("asOf") == query.get("asOf")
            seen += answer["data"]
            cursor = answer["meta"]["nextCursor"]
        assert cursor is None
        assert seen == whole


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"cursor": "nonsense"}, "/cursor"),
        ({"cursor": "2026-01-01T00:00:00.000Z_\0"}, "/cursor"),
        ({"cursor": "0001-01-01T00:00:00+01:00_a"}, "/cursor"),
        ({"status": "closed"}, "/status"),
        ({"job": "a\0"}, "/job"),
        ({"limit": 0}, "/limit"),
    ],
)
def test_what_cannot_be_meant_is_refused(shared: SharedApi, query: Json, path: str) -> None:
    answer = shared.client.get("/failures", params=query)
    assert answer.status_code == 400, answer.text
    assert [issue["path"] for issue in answer.json()["issues"]] == [path]


def test_a_version_that_no_job_can_have_is_refused(shared: SharedApi) -> None:
    body = {"inVersion": 2**31}
    answer = shared.client.post(f"/failures/{'0' * 16}/resolve", json=body)
    assert answer.status_code == 400, answer.text
    assert [issue["path"] for issue in answer.json()["issues"]] == ["/inVersion"]


def test_a_cursor_may_be_any_time_that_is_one(shared: SharedApi) -> None:
    query = {"cursor": "2026-W01-1T00:00:00Z_a"}
    answer = shared.client.get("/failures", params=query)
    assert answer.status_code == 200, answer.text


def test_what_is_not_there_is_not_found(tour: Tour) -> None:
    nowhere = "0" * 16
    tour.call("GET /failures/{fingerprint}", 404, at=nowhere)
    for action in ("resolve", "ignore", "reopen"):
        tour.call(f"POST /failures/{{fingerprint}}/{action}", 404, at=nowhere)
