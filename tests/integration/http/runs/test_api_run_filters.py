"""Filters of `GET /job-runs` (contract, section 10): each by itself, negated, and together."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.jobs.run_events import FINAL
from tests.integration.shared_api import Json, SharedApi
from tests.support.processes import eventually

NAMES = ("eu", "us", "number", "text")


@pytest.fixture(scope="module")
def runs(shared: SharedApi) -> dict[str, Json]:
    """Launch some runs of one job; return them by name."""
    shared.register(
        slug="filtered", workerLabels={"zone": "eu"}, moduleBinding={"moduleId": "reports"}
    )
    launched = {
        "eu": {"region": "eu", "tier": 1},
        "us": {"region": "us", "tier": None},
        "number": {"n": 42, "nested": {"a": [1, 2]}},
        "text": {"n": "42", "region": "42"},
    }
    by_name_by: dict[str, Json] = {}
    for name, parameters in launched.items():
        by_name_by[name] = shared.launch("filtered", {"parameters": parameters})
    canceled = {"reason": "too late now"}
    shared.client.post(f"/job-runs/{by_name_by['us']['id']}/cancel", json=canceled)
    return by_name_by


def names_by(shared: SharedApi, runs: dict[str, Json], query: str) -> set[str]:
    """Return which of the runs a query finds, by name."""
    answer = shared.client.get(f"/job-runs?{query}")
    assert answer.status_code == 200, answer.text
    ids = {item["run"]["id"] for item in answer.json()["data"]}
    return {name for name, run in runs.items() if run["id"] in ids}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", NAMES),
        ("status=canceled", ["us"]),
        ("status!=canceled", ["eu", "number", "text"]),
        ("status=canceled&status!=canceled", []),
        ("job=FILTERED", NAMES),
        ("job=filtered&job!=filtered", []),
        ("job!=nobody", NAMES),
        ("runtime=python", NAMES),
        ("runtime!=python", []),
        ("moduleId=reports", NAMES),
        ("moduleId=others&moduleId=reports", NAMES),
        ("moduleId=others", []),
        ("moduleId!=reports", []),
        ("moduleId!=others", NAMES),
        ("search!=filtered", []),
        ("actor=anonymous", NAMES),
        ("actor!=anonymous", []),
        ("actor!=anna,berta", NAMES),
        ("failure=error", []),
        ("failure!=error", NAMES),
        ("label.zone=eu", NAMES),
        ("label.zone=us", []),
        ("label.zone!=us,de", NAMES),
        ("label.zone!=eu", []),
        ("label.gpu!=a100", NAMES),
        ("label.zone=eu&label.gpu=a100", []),
        ("label.zone=eu&job!=filtered", []),
        ("parameters.region=eu", ["eu"]),
        ("parameters.region!=eu", ["us", "number", "text"]),
        ("parameters.region!=eu&parameters.region!=us", ["number", "text"]),
        ("parameters.n=42", ["number", "text"]),
        ("parameters.n=%2242%22", ["text"]),
        ("parameters.n=4.2e1", ["number"]),
        ("parameters.tier=null", ["us"]),
        ("parameters.tier!=null", ["eu", "number", "text"]),
        ('parameters.nested={"a":[1,2]}', ["number"]),
        ('parameters.nested={"a":[1]}', []),
        ("parameters.region=eu&status=canceled", []),
        ("createdBefore=2026-01-01T00:00:00Z", []),
        ("endedAfter=2026-01-01T00:00:00Z", ["us"]),
        ("endedAfter!=2026-01-01T00:00:00Z", ["eu", "number", "text"]),
        ("endedBefore=2026-01-01T00:00:00Z", []),
        ("endedBefore!=2026-01-01T00:00:00Z", NAMES),
        ("minDurationMs=0", []),
        ("maxDurationMs!=1", NAMES),
        ("error=TOO+late", ["us"]),
        ("error!=late", ["eu", "number", "text"]),
        ("error=late&asOf=1", []),
        ("createdAfter=2026-01-01T00:00:00Z&_=123", NAMES),
    ],
)
def test_a_filter_finds(
    shared: SharedApi, runs: dict[str, Json], query: str, expected: list[str]
) -> None:
    assert names_by(shared, runs, f"{query}&limit=50") == set(expected)


def test_times_part_runs_without_gap_or_overlap(shared: SharedApi, runs: dict[str, Json]) -> None:
    moment = runs["number"]["createdAt"]
    earlier = names_by(shared, runs, f"job=filtered&createdBefore={moment}")
    later = names_by(shared, runs, f"job=filtered&createdAfter={moment}")
    assert earlier == {name for name in NAMES if runs[name]["createdAt"] < moment}
    assert later == set(NAMES) - earlier
    assert names_by(shared, runs, f"job=filtered&createdAfter!={moment}") == earlier
    assert names_by(shared, runs, f"job=filtered&createdBefore!={moment}") == later


def test_pages_of_a_filter_follow_each_other(shared: SharedApi, runs: dict[str, Json]) -> None:
    query: dict[str, Any] = {"parameters.region!": "eu", "job": "filtered", "limit": 1}
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = shared.get("/job-runs", **query, **cursor)
        seen += [item["run"]["id"] for item in page["data"]]
        if page["meta"]["nextCursor"] is None:
            break
        cursor = {"cursor": page["meta"]["nextCursor"]}
    assert seen == [runs[name]["id"] for name in ("text", "number", "us")]


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("stauts=failed", "stauts", "did you mean status?"),
        ("colour=red", "colour", "there are status, job"),
        ("status!=done", "status", "there are pending"),
        ("failure=nothing", "failure", "there are error"),
        ("createdAfter=yesterday", "createdAfter", "with an offset"),
        ("job=a&job=b", "job", "commas"),
        ("label.=eu", "label.", "label.zone"),
        ("parameters.=1", "parameters.", "parameters.region"),
    ],
)
def test_what_is_no_filter_is_refused_with_a_remedy(
    shared: SharedApi, query: str, field: str, message: str
) -> None:
    answer = shared.client.get(f"/job-runs?{query}")
    assert answer.status_code == 400
    [problem] = answer.json()["error"]["fieldErrors"][field]
    assert message in problem


def test_counts_and_the_lists_of_a_job_take_modules_too(
    shared: SharedApi, runs: dict[str, Json]
) -> None:
    for modules, expected in (("reports", len(runs)), ("others,reports", len(runs)), ("others", 0)):
        counts = shared.get("/job-runs/counts", job="filtered", moduleId=modules)["data"]
        assert sum(counts.values()) == expected
        listed = shared.get("/jobs/filtered/runs", moduleId=modules, limit=50, cursor="")
        assert len(listed["data"]) == expected
        assert (listed["meta"]["hasMore"], listed["meta"]["nextCursor"]) == (False, None)
    head = shared.head()
    then = shared.get("/job-runs/counts", job="filtered", moduleId="reports", asOf=head)["data"]
    assert sum(then.values()) == len(runs)
    bad = shared.client.get("/job-runs/counts?moduleId=%00")
    assert bad.status_code == 400


def test_runs_are_counted_over_time_for_all_and_by_job(
    shared: SharedApi, runs: dict[str, Json]
) -> None:
    def counted(**query: Any) -> tuple[Json, list[Json]]:
        answer = shared.get("/job-runs/statistics", **query)
        return answer["meta"], answer["data"]["buckets"]

    def created(**query: Any) -> int:
        return sum(bucket["created"] for bucket in counted(**query)[1])

    eventually(lambda: created(job="filtered") == len(runs), what="the statistics")
    meta, buckets = counted(groupBy="job", job="FILTERED", bucketMs=3_600_000)
    assert {bucket["job"] for bucket in buckets} == {"filtered"}
    assert meta["bucketMs"] == 3_600_000
    assert meta["from"].endswith(":00:00.000Z")
    ended = {status: sum(one["ended"][status] for one in buckets) for status in FINAL}
    counts = shared.get("/job-runs/counts", job="filtered")["data"]
    assert ended == {status: counts[status] for status in FINAL}
    assert created(job="nobody") == 0
    # Before the first of them was launched there was none; the head has all.
    first = min(run["createdAt"] for run in runs.values())
    assert created(job="filtered", asOf=shared.head()) == len(runs)
    before = datetime.fromisoformat(first) - timedelta(seconds=1)
    assert created(job="filtered", asOf=before.isoformat()) == 0
    assert counted(to="2026-01-01T00:00:00Z")[0]["bucketMs"] == 86_400_000
    for query, field in (
        ("bucketMs=90000", "bucketMs"),
        ("bucketMs=60000&from=2020-01-01T00:00:00Z", "bucketMs"),
        ("from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z", "to"),
        ("to=0001-01-01T00:00:00Z", "to"),
        ("from=2026-01-01T00:00:00Z&to=9999-12-31T23:59:59Z&bucketMs=31622400000", "to"),
        ("groupBy=colour", "groupBy"),
        ("form=2026-01-01T00:00:00Z", "form"),
    ):
        refused = shared.client.get(f"/job-runs/statistics?{query}")
        assert refused.status_code == 400, query
        assert [*refused.json()["error"]["fieldErrors"]] == [field]
