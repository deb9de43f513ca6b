"""Sums up a day's runs: how many of each job, how they ended, and how long they took."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from pydantic import BaseModel

from apphub_jobs import JobRunContext, job


class JobStatistics(BaseModel):
    """A job's runs of one day; durations are of those that ended."""

    slug: str
    runs: int
    by_status: dict[str, int]
    median_ms: float | None
    longest_ms: int | None


class Statistics(BaseModel):
    """All runs that were created on a day (UTC), by job."""

    day: date
    jobs: list[JobStatistics]


@job(timeout="30m", retries=3, retry_delay="5m")
def nightly_statistics(
    context: JobRunContext, api: str, day: date | None = None, token_file: Path | None = None
) -> Statistics:
    """Read a day's runs from the service's own API, and sum them up.

    Args:
        api: where the API is, such as `http://127.0.0.1:4000`.
        day: the day (UTC). Default: yesterday.
        token_file: holds a token that may read runs, where the API asks for one. Never give the
            token itself: parameters are kept for ever, and shown.
    """
    chosen = day or datetime.now(UTC).date() - timedelta(days=1)
    token = ""
    if token_file is not None:
        token = token_file.read_text().strip()
    by_slug: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in _runs_of(chosen, api, token):
        by_slug[run["slug"]].append(run)
    context.logger.info("%d jobs had runs on %s", len(by_slug), chosen)
    jobs = [_summed_up(slug, by_slug[slug]) for slug in sorted(by_slug)]
    return Statistics(day=chosen, jobs=jobs)


def _runs_of(day: date, api: str, token: str) -> Iterator[dict[str, Any]]:
    for run in _newest_first(api, token):
        created = datetime.fromisoformat(run["createdAt"]).date()
        if created < day:
            return
        if created == day:
            yield run


def _newest_first(api: str, token: str) -> Iterator[dict[str, Any]]:
    """Yield all runs, page by page: a cursor passes over none and repeats none."""
    query = {"limit": "50"}
    while True:
        page = _get(f"{api.rstrip('/')}/job-runs?{urlencode(query)}", token)
        for item in page["data"]:
            yield item["run"]
        if page["meta"]["nextCursor"] is None:
            return
        query["cursor"] = page["meta"]["nextCursor"]


def _get(url: str, token: str) -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with urlopen(Request(url, headers=headers), timeout=60) as answer:
        page: dict[str, Any] = json.load(answer)
    return page


def _summed_up(slug: str, runs: list[dict[str, Any]]) -> JobStatistics:
    measured = [run["durationMs"] for run in runs if run["durationMs"] is not None]
    statistics = JobStatistics(
        slug=slug,
        runs=len(runs),
        by_status=Counter(run["status"] for run in runs),
        median_ms=None,
        longest_ms=None,
    )
    if measured:
        statistics.median_ms = median(measured)
        statistics.longest_ms = max(measured)
    return statistics
