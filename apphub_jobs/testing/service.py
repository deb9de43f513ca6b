"""A service for tests: launch, wait, move the clock, and look what was launched."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any, ParamSpec, TypeVar, overload

from apphub_jobs.client import Client, Run
from apphub_jobs.client.documents import RunStatus
from apphub_jobs.contract import JobResult, Json
from apphub_jobs.typed.job import Job

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE_S = 60.0
"""How long is waited at most for what should come soon."""

LOOK_AGAIN_S = 0.05

UNFINISHED: Sequence[RunStatus] = ("pending", "running")


class JobService:
    """A real service of the session, empty when a test begins.

    Attributes:
        client: for everything else that clients do.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._applied: set[str] = set()

    @overload
    def launch(
        self, job: Job[P, JobResult], /, *args: P.args, **parameters: P.kwargs
    ) -> Run[Json]: ...
    @overload
    def launch(
        self, job: Job[P, R], /, *args: P.args, **parameters: P.kwargs
    ) -> Run[R]: ...
    @overload
    def launch(
        self, job: str, given: Mapping[str, Json] = ..., /, **parameters: Json
    ) -> Run[Json]: ...
    def launch(
        self, job: Job[..., Any] | str, /, *args: Any, **parameters: Any
    ) -> Run[Any]:
        """Launch a run, and return it at once. A decorated job is registered before, if need be."""
        if isinstance(job, Job):
            self.apply(job)
        launched: Run[Any] = self.client.launch(job, *args, **parameters)
        return launched

    @overload
    def run(
        self, job: Job[P, JobResult], /, *args: P.args, **parameters: P.kwargs
    ) -> Run[Json]: ...
    @overload
    def run(
        self, job: Job[P, R], /, *args: P.args, **parameters: P.kwargs
    ) -> Run[R]: ...
    @overload
    def run(
        self, job: str, given: Mapping[str, Json] = ..., /, **parameters: Json
    ) -> Run[Json]: ...
    def run(
        self, job: Job[..., Any] | str, /, *args: Any, **parameters: Any
    ) -> Run[Any]:
        """Launch a run, and return it once it has ended, however it ended.

        Raises:
            WaitTimeoutError: it waits, perhaps for a back-off: `launch` it, and `advance`.
        """
        launched: Run[Any] = self.launch(job, *args, **parameters)
        launched.wait(PATIENCE_S)
        return launched

    def apply(self, job: Job[..., Any]) -> None:
        """Register a decorated job, once a test."""
        if job.slug not in self._applied:
            self.client.apply(job)
            self._applied.add(job.slug)

    def drain(self, timeout: float = PATIENCE_S) -> None:
        """Wait until nothing runs and nothing is due; what is due later stays.

        Raises:
            TimeoutError: something still runs or is due; the message names it.
        """
        until = monotonic() + timeout
        while busy := self._busy():
            if monotonic() > until:
                msg = f"after {timeout:g} s there is still {', '.join(busy)}"
                raise TimeoutError(msg)
            sleep(LOOK_AGAIN_S)

    def _busy(self) -> list[str]:
        """Return what runs or is due."""
        unfinished = [run.document for run in self.client.runs(status=UNFINISHED)]
        now = self.now
        return [
            f"{run.slug} ({run.status}, attempt {run.attempt})"
            for run in unfinished
            if run.status == "running" or run.scheduled_at <= now
        ]

    @property
    def now(self) -> datetime:
        """The present, as all decisions of the service see it."""
        return _present(self.client.request("GET", "/testing/clock"))

    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> datetime:
        """Move the service's clock on, and return the new present.

        Delays, back-offs, start deadlines and timeouts that are over then are dealt with at once:
        `drain` or wait for the run. Handlers' own clocks stay.
        """
        by = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        by_ms = round(by.total_seconds() * 1_000)
        return _present(
            self.client.request("POST", "/testing/clock", body={"byMs": by_ms})
        )

    def empty(self) -> None:
        """Remove all runs, jobs and events, and put the clock right; a new test finds it so."""
        self.client.request("POST", "/testing/empty")
        self._applied.clear()

    def assert_launched(
        self,
        job: Job[..., Any] | str,
        *,
        times: int | None = None,
        parameters: Mapping[str, Json] | None = None,
    ) -> None:
        """Check that a job was launched, by whomever.

        Args:
            job: a decorated job, or a slug.
            times: how often; by default at least once.
            parameters: only launches with these count; others that they had are of no matter.

        Raises:
            AssertionError: it was not; the message shows its launches.
        """
        slug = _slug(job)
        launches = [run.document.parameters for run in self.client.runs(job=slug)]
        matching = [given for given in launches if _has(given, parameters or {})]
        count = len(matching)
        if count == times or (times is None and count):
            return
        wanted = "at least once" if times is None else f"{times} times"
        msg = (
            f"{slug} should have been launched {wanted} with {dict(parameters or {})},"
            f" but was {count} times; its launches, the newest first: {launches}"
        )
        raise AssertionError(msg)


def _slug(job: Job[..., Any] | str) -> str:
    if isinstance(job, Job):
        return job.slug
    return job


def _has(given: Mapping[str, Json], wanted: Mapping[str, Json]) -> bool:
    missing = object()
    return all(given.get(name, missing) == value for name, value in wanted.items())


def _present(answer: Json) -> datetime:
    return datetime.fromisoformat(answer["data"]["now"])
