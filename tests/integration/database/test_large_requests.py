"""Batches, the queue and pages are bounded by bytes as well as by count."""

import asyncio

import httpx
import pytest

from api.views.lists import MAX_PART
from domain.errors import OverloadedError
from domain.jobs.launching import Launch
from eventlog.append import writer
from eventlog.append import writer as writer_module
from eventlog.append.lookups import WriterCache
from eventlog.append.plan import Statement
from eventlog.append.transaction import LockTime, Request, prepare
from eventlog.history import audit
from eventlog.history.audit import Audit, EventFilter
from eventlog.keys import LogFiles
from projections.job_definitions import next_by_slug
from projections.rows import Connection
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.processes import Process

LARGE = Launch(parameters={"text": "x" * 300_000})


async def test_a_batch_is_full_by_bytes(part: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    async def measured(
        connection: Connection,
        files: LogFiles,
        requests: list[Request],
        cache: WriterCache,
        lock: LockTime,
    ) -> list[Statement]:
        states = [event.state for one in requests for event in one.unit.events]
        sizes.append(sum(map(len, states)))
        return await prepare(connection, files, requests, cache, lock)

    slug = await registered(part.jobs)
    monkeypatch.setattr(writer_module, "prepare", measured)
    await asyncio.gather(*(part.jobs.launch(slug, LARGE, TESTER) for _ in range(60)))
    assert sum(sizes) > 60 * 300_000
    assert max(sizes) < 5_000_000


async def test_more_bytes_than_may_wait_are_refused_at_once(
    part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING_BYTES", 1_000_000)
    slug = await registered(part.jobs)
    launches = [part.jobs.launch(slug, LARGE, TESTER) for _ in range(20)]
    answers = await asyncio.gather(*launches, return_exceptions=True)
    refused = [isinstance(answer, OverloadedError) for answer in answers]
    assert any(refused)
    count = "SELECT count(*) FROM job_runs"
    assert query(part.url, count) == [(refused.count(False),)]
    # What was answered no longer counts.
    await asyncio.gather(*(part.jobs.launch(slug, LARGE, TESTER) for _ in range(2)))


@pytest.mark.parametrize(
    "event_filter",
    [EventFilter(), EventFilter(types=("job_run.*",)), EventFilter(actor="tester")],
    ids=["all", "by type", "by actor"],
)
async def test_a_page_of_events_ends_where_it_is_large_and_the_next_goes_on(
    part: Parts, monkeypatch: pytest.MonkeyPatch, event_filter: EventFilter
) -> None:
    monkeypatch.setattr(audit, "PAGE_BYTES", 500_000)
    slug = await registered(part.jobs)
    for _ in range(7):
        await part.jobs.launch(slug, LARGE, TESTER)
    pages: list[list[int]] = []
    after: int | None = 0
    while after is not None:
        page = await Audit(part.pool, part.files).page(event_filter, after, 100)
        pages.append([event.position for event in page.events])
        after = page.next
    seen = [position for page in pages for position in page]
    positions = query(
        part.url, "SELECT notification_id FROM jobs_events WHERE actor = 'tester' ORDER BY 1"
    )
    launched = [position for (position,) in positions][-7:]
    assert seen[-7:] == launched
    assert len(seen) == len(set(seen))
    assert max(len(set(page) & set(launched)) for page in pages) == 2


@pytest.mark.slow
async def test_a_long_list_of_jobs_comes_in_parts(
    api: Process, client: httpx.Client, database_url: str
) -> None:
    del api
    schema = {"type": "object", "description": "x" * 20_000}
    async with parts(database_url) as part:
        for number in range(2 * MAX_PART + 7):
            await registered(part.jobs, f"job-{number:03}", parameters_schema=schema)
    answer = client.get("/jobs").raise_for_status()
    slugs = [job["slug"] for job in answer.json()["data"]]
    assert slugs == sorted(slugs)
    assert len(slugs) >= 2 * MAX_PART + 7
    assert answer.headers["Content-Type"] == "application/json"
    assert "Content-Length" not in answer.headers
    some = next(job for job in answer.json()["data"] if job["slug"] == "job-055")
    assert some == client.get("/jobs/job-055").json()["data"]["job"]


@pytest.mark.parametrize("most_bytes", [1, 3_000, 1_000_000])
@pytest.mark.parametrize("limit", [1, 3, 7, 8])
async def test_each_part_of_all_jobs_begins_behind_the_one_before(
    part: Parts, limit: int, most_bytes: int
) -> None:
    schema = {"type": "object", "description": "x" * 1_000}
    for slug in ("b", "B-1", "a_", "a-", "a", "Z", "0"):
        await registered(part.jobs, slug, parameters_schema=schema)
    seen: list[str] = []
    after = ""
    has_more = True
    async with part.pool.connection() as connection:
        while has_more:
            jobs = await next_by_slug(connection, after, limit, most_bytes)
            assert len(jobs.rows) <= limit
            seen += [row["slug"] for row in jobs.rows]
            after = seen[-1]
            has_more = jobs.has_more
    assert seen == ["0", "B-1", "Z", "a", "a-", "a_", "b"]


def test_a_page_of_large_events_is_shorter_than_its_limit(client: httpx.Client) -> None:
    body = {"slug": "job", "name": "Job", "type": "batch", "entryPoint": "test.noop"}
    client.post("/jobs", json=body).raise_for_status()
    parameters = {"text": "x" * 900_000}
    for _ in range(7):
        launched = client.post("/jobs/job/run", json={"parameters": parameters})
        launched.raise_for_status()
    seen = 0
    after: int | None = 0
    while after is not None:
        question: dict[str, int | str] = {
            "after": after,
            "limit": 1_000,
            "type": "job_run.requested",
        }
        answer = client.get("/events", params=question).raise_for_status()
        assert len(answer.content) < 6_000_000
        page = answer.json()
        seen += len(page["data"])
        after = page["meta"]["next"]
    assert seen == 7
