"""Pages of schedules and bulk operations are bounded by bytes: a short one tells how to go on."""

from typing import Any

import pytest

from projections.rows import PAGE_BYTES
from tests.integration.shared_api import Json, SharedApi, unique

ROW_BYTES = 900_000

FIT = PAGE_BYTES // ROW_BYTES + 1

ROWS = FIT + 2

LARGE = {"text": "x" * ROW_BYTES}


def pages(shared: SharedApi, path: str, **query: Any) -> list[list[str]]:
    """Return the ids of page after page."""
    result: list[list[str]] = []
    while True:
        page: Json = shared.get(path, **query)
        result.append([item["id"] for item in page["data"]])
        query["cursor"] = page["meta"]["nextCursor"]
        if query["cursor"] is None:
            return result


@pytest.fixture(scope="module")
def job(shared: SharedApi) -> str:
    slug: str = shared.register(slug=unique())["slug"]
    return slug


def test_pages_of_large_schedules_are_short(shared: SharedApi, job: str) -> None:
    names = [f"large-{number}" for number in range(ROWS)]
    for name in names:
        body = {"id": name, "job": job, "cron": "0 3 * * *", "parameters": LARGE}
        shared.client.post("/schedules", json=body).raise_for_status()
    position = shared.head()
    assert pages(shared, "/schedules", limit=100) == [names[:FIT], names[FIT:]]
    assert pages(shared, "/schedules", limit=2) == [names[:2], names[2:4], names[4:6], names[6:]]
    for name in names:
        small: Json = {"parameters": {}}
        shared.client.patch(f"/schedules/{name}", json=small).raise_for_status()
    assert pages(shared, "/schedules", limit=100) == [names]
    then = pages(shared, "/schedules", limit=100, asOf=position)
    assert then == [names[:FIT], names[FIT:]]


PATCH_BYTES = 60_000
"""An operation keeps no more than some of these."""


def test_pages_of_large_bulk_operations_are_short(shared: SharedApi, job: str) -> None:
    patch = {"parameters": {"text": "x" * PATCH_BYTES}}
    order = {"action": "rerun", "filter": [f"job={job}"], "reason": "again", "patch": patch}
    ids: list[str] = []
    for _ in range(PAGE_BYTES // PATCH_BYTES + 2):
        answer = shared.client.post("/bulk", json=order).raise_for_status()
        ids.insert(0, answer.json()["data"]["id"])
    for query in ({}, {"asOf": shared.head()}):
        first, second = pages(shared, "/bulk", limit=100, **query)
        assert first + second == ids
        assert len(first) <= PAGE_BYTES // PATCH_BYTES + 1
