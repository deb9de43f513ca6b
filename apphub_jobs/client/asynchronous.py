"""The asynchronous client of one service: launches, runs, schedules and the stream.

First the transport, which repeats requests where that is safe; then bulk operations, failure
groups, runs, launches with options, jobs and schedules; last `AsyncClient`, which has all of them.

`python docs/generate_client.py` writes `synchronous.py`.
"""

from asyncio import sleep
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from math import inf
from time import monotonic
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

import httpx

from apphub_jobs.client import http
from apphub_jobs.client.documents import (
    FINAL,
    BulkAction,
    BulkDocument,
    BulkPreviewDocument,
    ComingTickDocument,
    FailureDocument,
    FailureStatus,
    JobDocument,
    Message,
    RunDocument,
    RunStatus,
    ScheduleDocument,
    TickDocument,
)
from apphub_jobs.client.errors import (
    ApiError,
    ConflictError,
    NotFoundError,
    UnreachableError,
    WaitTimeoutError,
    ended_error,
)
from apphub_jobs.client.http import Lines, Resumption, address, backed_off_s, pause_s, token_of
from apphub_jobs.client.requests import bulk, failures, jobs, runs, schedules, workers
from apphub_jobs.client.requests.jobs import Definition, described, patch
from apphub_jobs.client.requests.request import (
    LaunchOptions,
    Request,
    as_it_is,
    launched,
    run_path,
    warnings_in,
)
from apphub_jobs.client.requests.runs import ExplanationDocument
from apphub_jobs.client.requests.workers import WorkerDocument
from apphub_jobs.contract import JobResult, Json
from apphub_jobs.typed.job import Duration, Job

# Sends requests, again where that is safe, and returns what the service answered.


class AsyncTransport:
    """Requests to one service.

    Attributes:
        url: its address.
    """

    def __init__(self, url: str, token: str | None, timeout_s: float, retry_s: float) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._http = httpx.AsyncClient(
            base_url=url, headers=http.headers(token), timeout=timeout_s, limits=http.LIMITS
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def send(self, request: Request) -> Any:
        """Return the answer's JSON.

        Raises:
            ApiError: the service refuses, or could not do it for as long as it was asked.
            UnreachableError: nobody answers.
        """
        until = monotonic() + self._retry_s
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._send_once(request)
            except (ApiError, UnreachableError) as error:
                pause = pause_s(request, error, attempt, until - monotonic())
                if pause is None:
                    raise
            await sleep(pause)

    async def _send_once(self, request: Request) -> Any:
        try:
            response = await self._http.request(
                request.method,
                request.path,
                params=request.query,
                json=request.body,
                headers=request.headers,
            )
        except httpx.TransportError as error:
            raise http.unreachable(self.url, error) from error
        return http.content(response)

    async def messages(
        self, resumption: Resumption, query: Mapping[str, Any], until: float = inf
    ) -> AsyncGenerator[Message]:
        """Yield what comes on the stream, for ever or until this moment of the monotonic clock.

        Lost connections are resumed, however long that takes; only that the service was never
        reached is an error, as for any request.

        Raises:
            StreamRefusedError: the log is another one, or ends before the position.
            ApiError: the service refuses.
            UnreachableError: nobody answers.
        """
        begun_by = monotonic() + self._retry_s
        failures = 0
        while monotonic() < until:
            try:
                async with aclosing(self._connection(resumption, query, until)) as connection:
                    async for message in connection:
                        failures = 0
                        begun_by = inf
                        yield message
            except (ApiError, UnreachableError) as error:
                if not http.is_passing(error) or monotonic() > begun_by:
                    raise http.stream_failure(error) from error
            failures += 1
            left_s = max(0.0, until - monotonic())
            await sleep(min(backed_off_s(failures), left_s))

    async def _connection(
        self, resumption: Resumption, query: Mapping[str, Any], until: float
    ) -> AsyncGenerator[Message]:
        """Yield what comes on one connection."""
        silence_s = http.silence_s(until - monotonic())
        try:
            async with self._http.stream(
                "GET",
                "/events/stream",
                params={**query, **resumption.query()},
                timeout=http.stream_timeout(self._timeout_s, silence_s),
            ) as response:
                await _check(response)
                lines = Lines()
                async for chunk in response.aiter_bytes():
                    for line in lines.of(chunk):
                        for message in resumption.messages(line):
                            yield message
                    # With what is left the next silence might take too long.
                    if monotonic() + silence_s > until + http.MOST_OVERSHOT_S:
                        return
        except httpx.TransportError as error:
            raise http.unreachable(self.url, error) from error

    async def log(
        self, run_id: str, attempt: int, lines: Lines, *, follow: bool
    ) -> AsyncGenerator[str]:
        """Yield the lines of an attempt's log that are not among those already read.

        A lost connection is resumed where it broke off.

        Raises:
            ApiError: the service refuses.
            UnreachableError: nobody answers.
        """
        until = monotonic() + self._retry_s
        failures = 0
        while True:
            try:
                async with aclosing(self._log_part(run_id, attempt, lines, follow=follow)) as part:
                    async for some in part:
                        until = inf
                        for line in some:
                            failures = 0
                            yield line
            except (ApiError, UnreachableError) as error:
                if not http.is_passing(error) or monotonic() > until:
                    raise
            else:
                return
            failures += 1
            await sleep(backed_off_s(failures))

    async def _log_part(
        self, run_id: str, attempt: int, lines: Lines, *, follow: bool
    ) -> AsyncGenerator[list[str]]:
        """Yield the lines that come on one connection, some at a time; first of all none."""
        query = {"attempt": attempt, "offset": lines.count_bytes, "follow": follow}
        try:
            async with self._http.stream(
                "GET",
                run_path(run_id, "logs"),
                params=query,
                timeout=http.stream_timeout(self._timeout_s, http.SILENCE_S),
            ) as response:
                await _check(response)
                # It answers; an attempt may print nothing for longer than any silence.
                yield []
                async for chunk in response.aiter_bytes():
                    yield lines.of(chunk)
        except httpx.TransportError as error:
            raise http.unreachable(self.url, error) from error


async def _check(response: httpx.Response) -> None:
    """Raise what an answer that is no success stands for."""
    if not response.is_success:
        await response.aread()
        raise http.failure(response)


class AsyncBulk:
    """Orders about many runs at a time: `client.bulk`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def start(
        self,
        action: BulkAction,
        where: Sequence[str],
        reason: str,
        *,
        parameters: Mapping[str, Json] | None = None,
        idempotency_key: str | None = None,
    ) -> BulkDocument:
        """Do something to all runs that match; it goes on in the background.

        Args:
            action: `cancel`, `retry` or `rerun`.
            where: conditions that must all hold, such as `["job=report", "status!=expired"]`; or
                `["all"]`.
            reason: why; it stays in the history of each run.
            parameters: that new runs get instead of those of the runs they repeat.
            idempotency_key: the same order under the same key is given once. Without one, it has a
                key of its own, so that it can be sent again when its answer is lost.

        Raises:
            InvalidRequestError: the service says what is wrong with the order.
            ConflictError: the key was used for another order.
        """
        request = bulk.ordered(action, where, reason, parameters, idempotency_key)
        answer = await self._transport.send(request)
        return BulkDocument(answer["data"])

    async def dry_run(
        self,
        action: BulkAction,
        where: Sequence[str],
        *,
        parameters: Mapping[str, Json] | None = None,
    ) -> BulkPreviewDocument:
        """Return what an order would come to; nothing is done.

        Raises:
            InvalidRequestError: the service says what is wrong with the order.
        """
        answer = await self._transport.send(bulk.previewed(action, where, parameters))
        return BulkPreviewDocument(answer["data"])

    async def each(self, as_of: int | datetime | None = None) -> AsyncGenerator[BulkDocument]:
        """Yield operations, newest first; also as of a past position or moment."""
        cursor: str | None = None
        is_more = True
        while is_more:
            answer = await self._transport.send(bulk.page(cursor, as_of))
            for found in answer["data"]:
                yield BulkDocument(found)
            cursor = answer["meta"]["nextCursor"]
            is_more = cursor is not None

    async def show(self, operation_id: str, as_of: int | datetime | None = None) -> BulkDocument:
        """Return an operation, and how far it has got; also as of a past position or moment.

        Raises:
            NotFoundError: there is none of this id.
        """
        answer = await self._transport.send(bulk.shown(operation_id, as_of))
        return BulkDocument(answer["data"])

    async def abort(self, operation_id: str, reason: str | None = None) -> BulkDocument:
        """Go through no more runs; what is done stays done.

        Raises:
            NotFoundError: there is none of this id.
            ConflictError: it is completed.
        """
        answer = await self._transport.send(bulk.aborted(operation_id, reason))
        return BulkDocument(answer["data"])

    async def wait(self, operation_id: str, timeout: float | None = None) -> BulkDocument:
        """Return the operation once it is over, however it ended.

        Args:
            operation_id: which one.
            timeout: how many seconds to wait at most; None waits as long as it takes.

        Raises:
            NotFoundError: there is none of this id.
            WaitTimeoutError: it is not over within that time, and goes on.
        """
        began = monotonic()
        found = await self.show(operation_id)
        while not found.is_over:
            if timeout is not None and monotonic() - began >= timeout:
                raise WaitTimeoutError(bulk.not_over(found, timeout))
            await sleep(bulk.LOOK_EVERY_S)
            found = await self.show(operation_id)
        return found


class AsyncFailures:
    """The failures of a service, by groups: `client.failures`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def each(
        self,
        status: FailureStatus | None = None,
        job: str | None = None,
        as_of: int | datetime | None = None,
    ) -> AsyncGenerator[FailureDocument]:
        """Yield groups, those first that failed last; also as of a past position or moment."""
        cursor: str | None = None
        is_more = True
        while is_more:
            request = failures.page(cursor, status, job, as_of)
            answer = await self._transport.send(request)
            for found in answer["data"]:
                yield FailureDocument(found)
            meta = answer["meta"]
            as_of = meta.get("asOf")
            cursor = meta["nextCursor"]
            is_more = cursor is not None

    async def show(self, fingerprint: str) -> FailureDocument:
        """Return a group.

        Raises:
            NotFoundError: there is none with this fingerprint.
        """
        answer = await self._transport.send(failures.shown(fingerprint))
        return FailureDocument(answer["data"])

    async def resolve(self, fingerprint: str, in_version: int | None = None) -> FailureDocument:
        """Say that it is mended; from a version of the job on, if one is given."""
        request = failures.resolved(fingerprint, in_version)
        answer = await self._transport.send(request)
        return FailureDocument(answer["data"])

    async def ignore(self, fingerprint: str) -> FailureDocument:
        """Show it no more among what is open."""
        answer = await self._transport.send(failures.ignored(fingerprint))
        return FailureDocument(answer["data"])

    async def reopen(self, fingerprint: str) -> FailureDocument:
        """Say that it is not mended after all, or not to be ignored any more."""
        answer = await self._transport.send(failures.reopened(fingerprint))
        return FailureDocument(answer["data"])

    async def retry(
        self,
        fingerprint: str,
        reason: str,
        *,
        parameters: Mapping[str, Json] | None = None,
        idempotency_key: str | None = None,
    ) -> BulkDocument:
        """Launch anew what failed so and was not launched anew yet: `client.bulk` tells how far.

        Args:
            fingerprint: which group.
            reason: why; it stays in the history of each run.
            parameters: that new runs get instead of those of the runs they repeat.
            idempotency_key: the same order under the same key is given once.

        Raises:
            NotFoundError: there is no group with this fingerprint.
            ConflictError: the key was used for another order.
        """
        request = failures.retried(fingerprint, reason, parameters, idempotency_key)
        answer = await self._transport.send(request)
        return BulkDocument(answer["data"])

    async def preview_retry(
        self, fingerprint: str, *, parameters: Mapping[str, Json] | None = None
    ) -> BulkPreviewDocument:
        """Return what `retry` would come to; nothing is done."""
        request = failures.retry_previewed(fingerprint, parameters)
        answer = await self._transport.send(request)
        return BulkPreviewDocument(answer["data"])


ACKNOWLEDGED = "connection.ack"
"""The first message of each connection."""

R = TypeVar("R")
T = TypeVar("T")


class AsyncRun(Generic[R]):
    """A run, as it was when the service answered last.

    Attributes:
        document: all that the service told of it.
        warnings: why the launch may not lead to a start soon; empty where it was not launched here.
    """

    def __init__(
        self, transport: AsyncTransport, document: RunDocument, typed: Callable[[Any], R]
    ) -> None:
        self._transport = transport
        self._typed = typed
        self.document = document
        self.warnings: Sequence[str] = ()

    @property
    def id(self) -> str:
        """The run's id."""
        return self.document.id

    @property
    def slug(self) -> str:
        """The job's slug."""
        return self.document.slug

    @property
    def status(self) -> RunStatus:
        """What the run did when the service answered last; `refresh` asks again."""
        return self.document.status

    async def refresh(self) -> RunDocument:
        """Ask for the run as it is now."""
        answer = await self._transport.send(runs.shown(self.id))
        self.document = RunDocument(answer["data"]["run"])
        return self.document

    async def wait(self, timeout: float | None = None) -> RunDocument:
        """Return the run once it has ended, however it ended.

        It follows the stream, through restarts of the service.

        Args:
            timeout: how many seconds to wait at most; None waits as long as it takes.

        Raises:
            WaitTimeoutError: it has not ended within that time, and goes on.
        """
        if self.status in FINAL:
            return self.document
        until = inf
        if timeout is not None:
            until = monotonic() + timeout
        is_known = False
        messages = self._transport.messages(Resumption(), runs.ends_of(self.slug), until)
        async with aclosing(messages):
            async for message in messages:
                if message.type == ACKNOWLEDGED:
                    # From here on nothing is missed; before, it may have ended.
                    is_known = False
                if message.is_event:
                    self._see(message)
                elif not is_known:
                    is_known = await self._is_seen()
                if self.document.is_final:
                    return self.document
        raise WaitTimeoutError(runs.not_ended(self.document, timeout))

    def _see(self, message: Message) -> None:
        run = message.run
        if run is not None and run.id == self.id:
            self.document = run

    async def _is_seen(self) -> bool:
        """Ask for the run, and return whether an answer came; the next message asks again."""
        try:
            await self.refresh()
        except (ApiError, UnreachableError) as error:
            if not http.is_passing(error):
                raise
            return False
        return True

    @overload
    async def result(self, *, timeout: float | None = None) -> R: ...
    @overload
    async def result(self, model: type[T], *, timeout: float | None = None) -> T: ...
    async def result(self, model: type[T] | None = None, *, timeout: float | None = None) -> R | T:
        """Wait for the run's end, and return its result.

        Args:
            model: what to validate the result into: a pydantic model, a dataclass, any type that
                pydantic knows. By default a decorated job's return type.
            timeout: as of `wait`.

        Raises:
            RunFailedError: the run failed.
            RunCanceledError: the run was canceled.
            RunExpiredError: the run took too long, or never started.
            WaitTimeoutError: it has not ended within that time, and goes on.
            pydantic.ValidationError: the result is not of this type.
        """
        document = await self.wait(timeout)
        if document.status != "succeeded":
            raise ended_error(document)
        if model is None:
            return self._typed(document.result)
        return runs.validated(document.result, model)

    async def logs(
        self, *, attempt: int | None = None, follow: bool = False
    ) -> AsyncGenerator[str]:
        """Yield the lines of an attempt's log.

        Args:
            attempt: which one; the last by default.
            follow: whether to go on until the attempt is over.
        """
        document = await self.refresh()
        wanted = attempt or document.attempt
        lines = Lines()
        is_over = False
        while not is_over:
            part = self._transport.log(self.id, wanted, lines, follow=follow)
            async with aclosing(part):
                async for line in part:
                    yield line
            is_over = not follow or await self._is_over(wanted)
        for line in lines.rest():
            yield line

    async def _is_over(self, attempt: int) -> bool:
        """Return whether an attempt is; a log also ends where the service stops."""
        document = await self.refresh()
        return document.is_final or document.attempt > attempt

    async def cancel(self, reason: str | None = None) -> RunDocument:
        """Ask for the run to be canceled: at once while pending, else once it has stopped.

        Raises:
            ConflictError: it has ended otherwise.
        """
        answer = await self._transport.send(runs.canceled(self.id, reason))
        self.document = RunDocument(answer["data"])
        return self.document

    async def retry(self, *, idempotency_key: str | None = None) -> "AsyncRun[R]":
        """Launch the ended run anew, and return the new run.

        Args:
            idempotency_key: retries of the run with the same key lead to one new run.

        Raises:
            ConflictError: it has not ended.
        """
        answer = await self._transport.send(runs.retried(self.id, idempotency_key))
        return AsyncRun(self._transport, RunDocument(answer["data"]), self._typed)

    async def events(self) -> list[dict[str, Any]]:
        """Return the run's whole history."""
        answer = await self._transport.send(runs.shown(self.id, "events"))
        events: list[dict[str, Any]] = answer["data"]
        return events

    async def attempts(self) -> list[dict[str, Any]]:
        """Return each execution of the run: when, by which worker, how it ended."""
        answer = await self._transport.send(runs.shown(self.id, "attempts"))
        attempts: list[dict[str, Any]] = answer["data"]
        return attempts

    async def explain(self, as_of: int | datetime | None = None) -> ExplanationDocument:
        """Tell why the run waits, or how it ended; also as of a past position or moment."""
        answer = await self._transport.send(runs.explained(self.id, as_of))
        return ExplanationDocument(answer["data"])

    def __repr__(self) -> str:
        return f"<run {self.id} of {self.slug!r}: {self.status}>"


P = ParamSpec("P")


class AsyncLauncher:
    """Launches runs, each with the same options."""

    def __init__(self, transport: AsyncTransport, options: LaunchOptions) -> None:
        self._transport = transport
        self._options = options

    @overload
    async def launch(
        self, job: Job[P, JobResult], /, *args: P.args, **parameters: P.kwargs
    ) -> AsyncRun[Json]: ...
    @overload
    async def launch(
        self, job: Job[P, R], /, *args: P.args, **parameters: P.kwargs
    ) -> AsyncRun[R]: ...
    @overload
    async def launch(
        self, job: str, given: Mapping[str, Json] = ..., /, **parameters: Json
    ) -> AsyncRun[Json]: ...
    async def launch(
        self, job: Job[..., Any] | str, /, *args: Any, **parameters: Any
    ) -> AsyncRun[Any]:
        """Launch a run, and return it at once; `wait` and `result` wait for its end.

        It is sent again where the answer is lost, and leads to one run all the same.

        Args:
            job: a function under `@job`, whose parameters are given as in a call of it; or a slug.
            *args: the function's arguments; of a slug, perhaps a mapping of parameters.
            **parameters: the parameters by name.

        Raises:
            TypeError: the function takes no such arguments.
            InvalidRequestError: the parameters break the job's schema.
            NotFoundError: there is no such job.
            ConflictError: the idempotency key was used for another launch.
        """
        slug, given, typed = launched(job, args, parameters)
        answer = await self._transport.send(self._options.request(slug, given))
        run = AsyncRun(self._transport, RunDocument(answer["data"]), typed)
        run.warnings = warnings_in(answer)
        return run


class AsyncDefinitions(AsyncLauncher):
    """Looks at jobs, registers and changes them, beside launching them."""

    async def jobs(self, as_of: int | datetime | None = None) -> list[JobDocument]:
        """Return every job, by slug; also as of a past position or moment."""
        answer = await self._transport.send(jobs.every(as_of))
        return [JobDocument(job) for job in answer["data"]]

    async def job(self, slug: str) -> JobDocument:
        """Return a job.

        Raises:
            NotFoundError: there is none of this slug.
        """
        answer = await self._transport.send(jobs.shown(slug))
        return JobDocument(answer["data"]["job"])

    async def register(self, definition: Definition) -> JobDocument:
        """Register a job whose slug is free.

        Args:
            definition: a function under `@job`, or what `POST /jobs` takes.

        Raises:
            InvalidRequestError: the definition breaks a rule.
            ConflictError: there is a job of this slug.
        """
        answer = await self._transport.send(jobs.registered(described(definition)))
        return JobDocument(answer["data"])

    async def revise(self, slug: str, changes: Mapping[str, Json]) -> JobDocument:
        """Change fields of a job: a new version, unless nothing would change.

        Raises:
            InvalidRequestError: the changes break a rule.
            NotFoundError: there is no job of this slug.
        """
        answer = await self._transport.send(jobs.revised(slug, changes))
        return JobDocument(answer["data"])

    async def apply(self, definition: Definition) -> JobDocument:
        """Register a job, or revise it so that it is as this definition says, and nothing else.

        Args:
            definition: a function under `@job`, or what `POST /jobs` takes.

        Raises:
            InvalidRequestError: the definition breaks a rule.
        """
        slug = described(definition)["slug"]
        try:
            current = await self.job(slug)
        except NotFoundError:
            try:
                return await self.register(definition)
            except ConflictError:
                current = await self.job(slug)  # Somebody else was faster.
        changes = patch(definition, current)
        if not changes:
            return current
        return await self.revise(slug, changes)

    async def pause(self, slug: str, reason: str | None = None) -> JobDocument:
        """Let nothing of a job start any more; what runs goes on, and what is launched waits.

        A job that is paused stays as it was paused.

        Raises:
            NotFoundError: there is no job of this slug.
        """
        answer = await self._transport.send(jobs.paused(slug, reason))
        return JobDocument(answer["data"])

    async def resume(self, slug: str) -> JobDocument:
        """Let what waits of a job start again.

        Raises:
            NotFoundError: there is no job of this slug.
        """
        answer = await self._transport.send(jobs.resumed(slug))
        return JobDocument(answer["data"])

    async def delete(self, slug: str) -> JobDocument:
        """Delete a job, and return it as it was; its runs and its history stay.

        Raises:
            NotFoundError: there is no job of this slug.
            ConflictError: runs of it are pending or running; or the service itself needs it.
        """
        answer = await self._transport.send(jobs.deleted(slug))
        return JobDocument(answer["data"])


class AsyncSchedules:
    """The schedules of a service: `client.schedules`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def each(self, as_of: int | datetime | None = None) -> AsyncGenerator[ScheduleDocument]:
        """Yield every schedule, by id; also as of a past position or moment."""
        cursor: str | None = None
        is_more = True
        while is_more:
            answer = await self._transport.send(schedules.page(cursor, as_of))
            for found in answer["data"]:
                yield ScheduleDocument(found)
            meta = answer["meta"]
            as_of = meta.get("asOf")
            cursor = meta["nextCursor"]
            is_more = cursor is not None

    async def show(self, schedule_id: str) -> ScheduleDocument:
        """Return a schedule.

        Raises:
            NotFoundError: there is none of this id.
        """
        answer = await self._transport.send(schedules.shown(schedule_id))
        return ScheduleDocument(answer["data"])

    async def create(self, schedule: Mapping[str, Json]) -> ScheduleDocument:
        """Create a schedule whose id is free.

        Args:
            schedule: what `POST /schedules` takes: `id`, `job`, `cron` or `everyMs`, and so on.

        Raises:
            InvalidRequestError: it breaks a rule.
            ConflictError: there is one of this id.
        """
        answer = await self._transport.send(schedules.created(schedule))
        return ScheduleDocument(answer["data"])

    async def revise(self, schedule_id: str, changes: Mapping[str, Json]) -> ScheduleDocument:
        """Change fields of a schedule: a new version, unless nothing would change.

        Raises:
            InvalidRequestError: the changes break a rule.
            NotFoundError: there is none of this id.
        """
        answer = await self._transport.send(schedules.revised(schedule_id, changes))
        return ScheduleDocument(answer["data"])

    async def apply(self, schedule: Mapping[str, Json]) -> ScheduleDocument:
        """Create a schedule, or revise it so that it is as this one, and nothing else.

        Raises:
            InvalidRequestError: it breaks a rule.
        """
        changes = schedules.patch(schedule)
        try:
            return await self.revise(str(schedule["id"]), changes)
        except NotFoundError:
            pass
        try:
            return await self.create(schedule)
        except ConflictError:  # Somebody else was faster.
            return await self.revise(str(schedule["id"]), changes)

    async def pause(self, schedule_id: str, reason: str | None = None) -> ScheduleDocument:
        """Skip a schedule's ticks until it is resumed."""
        answer = await self._transport.send(schedules.paused(schedule_id, reason))
        return ScheduleDocument(answer["data"])

    async def resume(self, schedule_id: str) -> ScheduleDocument:
        """Launch at a schedule's ticks again."""
        answer = await self._transport.send(schedules.resumed(schedule_id))
        return ScheduleDocument(answer["data"])

    async def delete(self, schedule_id: str) -> ScheduleDocument:
        """End a schedule; its runs go on, its history stays."""
        answer = await self._transport.send(schedules.deleted(schedule_id))
        return ScheduleDocument(answer["data"])

    async def trigger(
        self, schedule_id: str, *, idempotency_key: str | None = None
    ) -> AsyncRun[Json]:
        """Launch a run of a schedule now, whatever else runs.

        Args:
            schedule_id: which one.
            idempotency_key: triggers of the schedule with the same key lead to one run.
        """
        request = schedules.triggered(schedule_id, idempotency_key)
        answer = await self._transport.send(request)
        document = RunDocument(answer["data"])
        return AsyncRun(self._transport, document, as_it_is)

    async def backfill(self, schedule_id: str, begin: datetime, end: datetime) -> list[str]:
        """Launch past ticks that have no run, and return the ids of the runs.

        The service launches a hundred at a time; this goes on until all are. Broken off, it can be
        called again: no tick is launched twice.
        """
        launched: list[str] = []
        first: str | None = begin.isoformat()
        while first is not None:
            request = schedules.backfilled(schedule_id, first, end.isoformat())
            answer = await self._transport.send(request)
            launched += answer["data"]["runs"]
            first = answer["data"]["continueFrom"]
        return launched

    async def preview(self, schedule_id: str, n: int = 10) -> list[ComingTickDocument]:
        """Return the next ticks of a schedule, a hundred at most."""
        answer = await self._transport.send(schedules.previewed(schedule_id, n))
        return [ComingTickDocument(tick) for tick in answer["data"]]

    async def ticks(self, schedule_id: str) -> AsyncGenerator[TickDocument]:
        """Yield what became of a schedule's ticks, in the order in which that was decided."""
        cursor: str | None = None
        is_more = True
        while is_more:
            answer = await self._transport.send(schedules.ticks(schedule_id, cursor))
            for found in answer["data"]:
                yield TickDocument(found)
            cursor = answer["meta"]["nextCursor"]
            is_more = cursor is not None


class AsyncClient(AsyncDefinitions):
    """A client of the service, to be used in `async with`, or closed by `aclose`.

    ```python
    async with AsyncClient("http://localhost:4000") as client:
        run = await client.launch(greet, name="Ada")
        print(await run.result())
    ```

    What can be repeated safely is sent again when the service cannot be reached or is busy, for
    30 s by default; launches and bulk operations can, since each has an idempotency key.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        retry_for: float = 30.0,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            url: the service's address; by default `APPHUB_URL`, or `http://localhost:4000`.
            token: who asks; by default `APPHUB_TOKEN`, or nobody.
            timeout: how many seconds an answer may take.
            retry_for: for how many seconds a request is sent again; 0 never does.

        Raises:
            ValueError: the address is none.
        """
        transport = AsyncTransport(address(url), token_of(token), timeout, retry_for)
        super().__init__(transport, LaunchOptions())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    @property
    def url(self) -> str:
        """The service's address."""
        return self._transport.url

    @property
    def schedules(self) -> AsyncSchedules:
        """The service's schedules, and what can be done with them."""
        return AsyncSchedules(self._transport)

    @property
    def failures(self) -> AsyncFailures:
        """What fails, by groups, and what can be said of it."""
        return AsyncFailures(self._transport)

    @property
    def bulk(self) -> AsyncBulk:
        """What is done to many runs at a time."""
        return AsyncBulk(self._transport)

    def options(  # noqa: PLR0913 - one for each field of a launch
        self,
        *,
        idempotency_key: str | None = None,
        delay: Duration | None = None,
        priority: int | None = None,
        timeout: Duration | None = None,
        max_attempts: int | None = None,
        start_deadline: Duration | None = None,
        context: Mapping[str, Json] | None = None,
    ) -> AsyncLauncher:
        """Return what launches with these options: `client.options(delay="5m").launch(…)`.

        Args:
            idempotency_key: launches of a job with the same key and the same parameters lead to one
                run.
            delay: how long the run waits before it is due.
            priority: -100 to 100; what is higher starts first.
            timeout: how long one attempt may run, instead of the job's own limit.
            max_attempts: how many attempts there may be, instead of the job's own number.
            start_deadline: the run expires if it has not started so long after its time.
            context: kept with the run.
        """
        options = LaunchOptions(
            idempotency_key=idempotency_key,
            delay=delay,
            priority=priority,
            timeout=timeout,
            max_attempts=max_attempts,
            start_deadline=start_deadline,
            context=context,
        )
        return AsyncLauncher(self._transport, options)

    async def run(self, run_id: str) -> AsyncRun[Json]:
        """Return a run.

        Raises:
            NotFoundError: there is none of this id.
        """
        answer = await self._transport.send(runs.shown(run_id))
        return self._run(answer["data"]["run"])

    async def runs(
        self,
        *,
        job: str | None = None,
        status: RunStatus | Sequence[RunStatus] | None = None,
        search: str | None = None,
        where: Sequence[str] = (),
        as_of: int | datetime | None = None,
    ) -> AsyncGenerator[AsyncRun[Json]]:
        """Yield runs, newest first; pages are asked for as they are needed.

        Args:
            job: only this slug's.
            status: only those in this status, or in one of these.
            search: only those with this part of a slug or a job's name, or start of their id.
            where: further conditions, such as `"status!=failed"` or `"parameters.region=eu"`.
            as_of: a past position or moment: the list as it was then.
        """
        cursor: str | None = None
        is_more = True
        while is_more:
            page = runs.page(job, status, search, where, cursor, as_of)
            answer = await self._transport.send(page)
            for found in answer["data"]:
                yield self._run(found["run"])
            meta = answer["meta"]
            as_of = meta.get("asOf")
            cursor = meta["nextCursor"]
            is_more = cursor is not None

    async def explain(
        self, run_id: str, as_of: int | datetime | None = None
    ) -> ExplanationDocument:
        """Tell why a run waits, or how it ended; also as of a past position or moment."""
        answer = await self._transport.send(runs.explained(run_id, as_of))
        return ExplanationDocument(answer["data"])

    async def workers(self) -> AsyncGenerator[WorkerDocument]:
        """Yield the workers that live, and those that were lost within the last day, by id."""
        cursor: str | None = None
        is_more = True
        while is_more:
            answer = await self._transport.send(workers.page(cursor))
            for found in answer["data"]:
                yield WorkerDocument(found)
            cursor = answer["meta"]["nextCursor"]
            is_more = cursor is not None

    async def drain(self, worker_id: str) -> WorkerDocument:
        """Let a worker claim nothing more, and end once what it runs has ended.

        Raises:
            NotFoundError: there is none of this id, or it has left.
            ConflictError: it counts as dead already.
        """
        answer = await self._transport.send(workers.drained(worker_id))
        return WorkerDocument(answer["data"])

    async def stream(
        self,
        *,
        after: int | None = None,
        log_id: str | None = None,
        types: str | None = None,
        job: str | None = None,
    ) -> AsyncGenerator[Message]:
        """Yield every message of the event stream, each once and in order, for ever.

        Lost connections and restarts of the service are bridged: nothing is lost or told twice.

        Args:
            after: the position to begin after, 0 for the log's beginning; by default what comes
                from now on. A message's `position` is where to go on after a restart of yours, once
                it has been handled.
            log_id: the log that the position belongs to.
            types: only these, with commas; `job.run.*` are several.
            job: only this slug's.

        Raises:
            StreamRefusedError: the log is another one, or ends before the position.
            ApiError: the service refuses.
        """
        query = {"types": types, "job": job}
        given = {name: value for name, value in query.items() if value is not None}
        messages = self._transport.messages(Resumption(after, log_id), given)
        async with aclosing(messages):
            async for message in messages:
                if message.is_event:
                    yield message

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Json] | None = None,
        body: Json = None,
        is_repeatable: bool = False,
    ) -> Json:
        """Send any request, and return the JSON of its answer.

        Args:
            method: such as `GET`.
            path: such as `/jobs`.
            query: its parameters.
            body: its JSON.
            is_repeatable: whether sending it twice does what sending it once does.
        """
        request = Request(
            method=method,
            path=path,
            query=query or {},
            body=body,
            is_repeatable=is_repeatable or method == "GET",
        )
        return await self._transport.send(request)

    def _run(self, document: Mapping[str, Json]) -> AsyncRun[Json]:
        return AsyncRun(self._transport, RunDocument(document), as_it_is)
