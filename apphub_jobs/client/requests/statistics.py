"""Requests for counts of runs and failures, and the documents of their answers; for both clients.

First runs over time, then what became of the runs of schedules, then failures over time.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from apphub_jobs.client.documents import Document, RunStatus
from apphub_jobs.client.requests.request import (
    Request,
    as_of_parameter,
    get,
    list_parameter,
    ms_parameter,
)
from apphub_jobs.typed.job import Duration

BATCH_SIZE = 100
"""How many schedules or groups one request names."""


class BucketDocument(Document):
    """The runs of a period: those that were launched in it, and those that ended in it."""

    @property
    def at(self) -> datetime:
        """When it begins."""
        return self._time("at")

    @property
    def job(self) -> str | None:
        """The job's slug in lower case; None unless each job has buckets of its own."""
        return cast("str | None", self.get("job"))

    @property
    def created(self) -> int:
        """How many runs were launched."""
        return cast("int", self["created"])

    @property
    def ended(self) -> Mapping[RunStatus, int]:
        """How many runs ended, by their final status."""
        return cast("Mapping[RunStatus, int]", self["ended"])

    @property
    def queue_ms(self) -> Mapping[str, int | None]:
        """How long the runs that ended had waited: `p50`, `p95`, `p99`; None if no run ended."""
        return cast("Mapping[str, int | None]", self["queueMs"])

    @property
    def duration_ms(self) -> Mapping[str, int | None]:
        """How long their last attempts took: `p50`, `p95`, `p99`; None if no run ended."""
        return cast("Mapping[str, int | None]", self["durationMs"])


class StatisticsDocument(Document):
    """Runs over time."""

    @property
    def begin(self) -> datetime:
        """When the first bucket begins."""
        return self._time("from")

    @property
    def end(self) -> datetime:
        """When the last bucket ends."""
        return self._time("to")

    @property
    def bucket_ms(self) -> int:
        """How long each bucket is."""
        return cast("int", self["bucketMs"])

    @property
    def buckets(self) -> list[BucketDocument]:
        """The buckets in which something happened, the oldest first."""
        return [BucketDocument(bucket) for bucket in self["buckets"]]

    @property
    def precision(self) -> float:
        """The relative error that a quantile may have; counts are exact."""
        return cast("float", self["precision"])

    @property
    def position(self) -> int:
        """The log position up to which events are counted."""
        return cast("int", self["position"])


class ScheduleRunsDocument(Document):
    """How the runs of a schedule ended, and which are unfinished."""

    @property
    def schedule(self) -> str:
        """The schedule's id."""
        return str(self["schedule"])

    @property
    def since(self) -> datetime:
        """The start of the counted period: later than requested if there were too many runs."""
        return self._time("since")

    @property
    def counts(self) -> Mapping[RunStatus, int]:
        """How many of them are in each status."""
        return cast("Mapping[RunStatus, int]", self["counts"])

    @property
    def last(self) -> list[Mapping[str, Any]]:
        """The last runs, the newest first, with `id`, `status`, `createdAt` and `completedAt`."""
        return list(self["last"])


class FailuresOverTimeDocument(Document):
    """When a failure group failed, and how often."""

    @property
    def fingerprint(self) -> str:
        """The group's fingerprint."""
        return str(self["fingerprint"])

    @property
    def since(self) -> datetime:
        """The start of the counted period: later than requested if there were too many failures."""
        return self._time("since")

    @property
    def buckets(self) -> list[Mapping[str, Any]]:
        """The buckets with failures, the oldest first, each with `at` and `failures`."""
        return list(self["buckets"])


def runs_over_time(  # noqa: PLR0913 - one for each part of the query
    begin: datetime | None,
    end: datetime | None,
    bucket: Duration | None,
    job: str | Sequence[str] | None,
    as_of: int | datetime | None,
    *,
    by_job: bool,
) -> Request:
    """Count runs over time."""
    return get(
        "/job-runs/statistics",
        **{"from": as_of_parameter(begin)},
        to=as_of_parameter(end),
        bucketMs=ms_parameter(bucket),
        job=list_parameter(job),
        groupBy="job" if by_job else None,
        asOf=as_of_parameter(as_of),
    )


def document(answer: Mapping[str, Any]) -> StatisticsDocument:
    """Return the document of an answer, with the period and bucket length from its `meta`."""
    return StatisticsDocument({**answer["meta"], **answer["data"]})


def runs_of_schedules(
    schedule_ids: Sequence[str], begin: datetime | None, last: int
) -> Iterator[Request]:
    """Yield the requests that count the runs of schedules, one for each batch of schedules."""
    for ids in _batches(schedule_ids):
        query = {"schedule": ids, "from": as_of_parameter(begin), "last": last}
        yield get("/job-runs/by-schedule", **query)


def failures_over_time(
    fingerprints: Sequence[str], begin: datetime | None, bucket: Duration | None
) -> Iterator[Request]:
    """Yield the requests that count the failures of groups, one for each batch of groups."""
    for names in _batches(fingerprints):
        query = {"group": names, "from": as_of_parameter(begin), "bucketMs": ms_parameter(bucket)}
        yield get("/failures/over-time", **query)


def _batches(names: Sequence[str]) -> Iterator[str]:
    """Yield names in batches, each as a list with commas."""
    for first in range(0, len(names), BATCH_SIZE):
        yield ",".join(names[first : first + BATCH_SIZE])
