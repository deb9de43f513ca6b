"""How `apphub-jobs runs statistics` prints runs over time, as tables with bars.

First bars and sparklines, which other lists draw as well; then the length of the buckets, and the
tables: a row for each bucket, or for each job.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil

from rich.text import Text

from apphub_jobs.client import BucketDocument, StatisticsDocument
from apphub_jobs.client.documents import RunStatus
from cli.terminal import console, print_table
from projections.run_statistics import KEPT
from runtime.text import duration

_HEIGHTS = "▁▂▃▄▅▆▇█"

_NOTHING = "·"


def sparkline(values: Sequence[int]) -> str:
    """Return a character for each value; the largest one is the highest."""
    largest = max(values, default=0)
    return "".join(
        _HEIGHTS[ceil(value * len(_HEIGHTS) / largest) - 1] if value else _NOTHING
        for value in values
    )


BAR_LENGTH = 10


def _bar(all_runs: int, failed: int, largest: int) -> Text:
    """Return a bar whose end shows the failed ones, also where there are no colours."""
    if not all_runs:
        return Text()
    length = ceil(BAR_LENGTH * all_runs / largest)
    failed_length = ceil(length * failed / all_runs)
    return Text.assemble(("█" * (length - failed_length), "green"), ("▒" * failed_length, "red"))


USUAL_BUCKETS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 720, 1_440, 10_080, 43_200)
)

MAX_ROWS = 25
"""Buckets of a table, unless the command line says how long they are."""


def usual_bucket(begin: datetime, end: datetime, now: datetime) -> timedelta:
    """Return the shortest usual length for a table, of those that are kept for that time."""
    shortest = timedelta()
    if begin < now - KEPT["minute"]:
        shortest = timedelta(hours=1)
    if begin < now - KEPT["hour"]:
        shortest = timedelta(days=1)
    return next(
        (
            length
            for length in USUAL_BUCKETS
            if length >= shortest and (end - begin) / length <= MAX_ROWS
        ),
        USUAL_BUCKETS[-1],
    )


def print_statistics(statistics: StatisticsDocument, *, by_job: bool) -> None:
    """Print how many runs were launched, ended and failed, and how long they waited and took."""
    buckets = statistics.buckets
    out = console()
    launched = sum(bucket.created for bucket in buckets)
    ended = sum(map(_ended, buckets))
    failed = sum(map(_failed, buckets))
    out.print(f"{launched} launched, {ended} ended, {failed} failed or expired")
    period = f"{_minute(statistics.begin)} to {_minute(statistics.end)}"
    out.print(f"{period}, up to log position {statistics.position}", style="dim")
    if buckets:
        out.print()
        print_table(*(_by_job(statistics) if by_job else _by_time(statistics)))


Table = tuple[Sequence[str], Sequence[Sequence[str | Text]]]


def _by_time(statistics: StatisticsDocument) -> Table:
    buckets = {bucket.at: bucket for bucket in statistics.buckets}
    largest = max(map(_ended, buckets.values()))
    rows: list[Sequence[str | Text]] = []
    for at in _times(statistics):
        bucket = buckets.get(at)
        if bucket is None:
            rows.append((_minute(at), "0", "0", "0", "", "", ""))
        else:
            bar = _bar(_ended(bucket), _failed(bucket), largest)
            rows.append((_minute(at), *_counts([bucket]), bar, *_times_of([bucket])))
    return ("since", "launched", "ended", "failed", "▒ failed", "wait p95", "took p95"), rows


def _by_job(statistics: StatisticsDocument) -> Table:
    by_job: dict[str, list[BucketDocument]] = {}
    for bucket in statistics.buckets:
        by_job.setdefault(bucket.job or "", []).append(bucket)

    def badness(job: str) -> tuple[int, int, str]:
        return -sum(map(_failed, by_job[job])), -sum(map(_ended, by_job[job])), job

    rows = [
        (job, *_counts(by_job[job]), *_times_of(by_job[job])) for job in sorted(by_job, key=badness)
    ]
    # No quantile of all runs is larger than the largest one of a part.
    return ("job", "launched", "ended", "failed", "wait p95 ≤", "took p95 ≤"), rows


def _times(statistics: StatisticsDocument) -> Iterator[datetime]:
    """Yield when buckets begin, also those in which nothing happened."""
    at = statistics.begin
    while at < statistics.end:
        yield at
        at += timedelta(milliseconds=statistics.bucket_ms)


def _counts(buckets: Sequence[BucketDocument]) -> tuple[str, str, str | Text]:
    failed = sum(map(_failed, buckets))
    return (
        str(sum(bucket.created for bucket in buckets)),
        str(sum(map(_ended, buckets))),
        Text(str(failed), "red" if failed else ""),
    )


def _times_of(buckets: Sequence[BucketDocument]) -> tuple[str, str]:
    return (
        _longest(bucket.queue_ms["p95"] for bucket in buckets),
        _longest(bucket.duration_ms["p95"] for bucket in buckets),
    )


def _ended(bucket: BucketDocument) -> int:
    return sum(bucket.ended.values())


def _failed(bucket: BucketDocument) -> int:
    return failed_of(bucket.ended)


def failed_of(counts: Mapping[RunStatus, int]) -> int:
    """Return how many runs failed or expired."""
    return counts["failed"] + counts["expired"]


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"


def _longest(times_ms: Iterable[int | None]) -> str:
    longest_ms = max((ms for ms in times_ms if ms is not None), default=None)
    return "" if longest_ms is None else duration(longest_ms)
