"""The asynchronous client of one service: launches, runs, schedules and the stream.

First the transport, which retries requests where that is safe; then bulk operations, failure
groups, runs, launches with options, jobs, schedules and views; last `AsyncClient`, which offers
them all.

`python docs/generate_client.py` generates `synchronous.py` from this file.
"""

from asyncio import sleep
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from math import inf
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

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
    LogStream,
    Message,
    RunDocument,
    RunOrder,
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
from apphub_jobs.client.http import (
    EventStream,
    LineBuffer,
    back_off_s,
    resolve_token,
    resolve_url,
    retry_delay_s,
)
from apphub_jobs.client.requests import (
    bulk,
    failures,
    jobs,
    runs,
    schedules,
    statistics,
    views,
    workers,
)
from apphub_jobs.client.requests.jobs import Definition, definition_body, patch
from apphub_jobs.client.requests.request import (
    LaunchOptions,
    Request,
    launch_warnings,
    next_page,
    resolve_launch,
    run_path,
    untyped,
)
from apphub_jobs.client.requests.runs import ExplanationDocument, RelatedDocument
from apphub_jobs.client.requests.statistics import (
    FailuresOverTimeDocument,
    ScheduleRunsDocument,
    StatisticsDocument,
)
from apphub_jobs.client.requests.views import ViewDocument
from apphub_jobs.client.requests.workers import WorkerDocument
from apphub_jobs.contract import JobResult, Json
from apphub_jobs.errors import ClientError
from apphub_jobs.typed.job import Duration, Job

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncTransport:
    """Sends requests to one service, and retries them where that is safe.

    Attributes:
        url: the service's address.
    """

    def __init__(self, url: str, token: str | None, timeout_s: float, retry_s: float) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._http = httpx.AsyncClient(
            base_url=url,
            verify=http.certificate_check(url),
            headers=http.authorization_headers(token),
            timeout=timeout_s,
            limits=http.LIMITS,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def send(self, request: Request, until: float = inf) -> Any:
        """Send a request, and return the answer's JSON.

        Args:
            request: the request.
            until: the time of the monotonic clock at which to give up, if that is sooner.

        Raises:
            ApiError: the service refuses the request, or was unavailable until the retries ended.
            UnreachableError: the service did not answer.
        """
        retry_until = min(monotonic() + self._retry_s, until)
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._send_once(request, until)
            except (ApiError, UnreachableError) as error:
                delay_s = retry_delay_s(request, error, attempt, retry_until - monotonic())
                if delay_s is None:
                    raise
            await sleep(delay_s)

    async def data(self, request: Request, until: float = inf) -> Any:
        """Send a request, as `send` does, and return the `data` of its answer."""
        return (await self.send(request, until))["data"]

    async def items(self, request: Request) -> AsyncGenerator[Any]:
        """Yield the items of a list; its pages are requested as they are needed.

        Args:
            request: the request of the first page.

        Raises:
            ApiError: the service refuses a request, or was unavailable until the retries ended.
            UnreachableError: the service did not answer.
        """
        page: Request | None = request
        while page is not None:
            answer = await self.send(page)
            for item in answer["data"]:
                yield item
            page = next_page(page, answer["meta"])

    async def _send_once(self, request: Request, until: float) -> Any:
        try:
            response = await self._http.request(
                request.method,
                request.path,
                params=request.query,
                json=request.body,
                headers=request.headers,
                timeout=self._timeout_until(until),
            )
        except httpx.RequestError as error:
            raise http.unreachable_error(self.url, error) from error
        return http.parse_answer(response)

    def _timeout_until(self, until: float) -> float:
        return min(self._timeout_s, max(until - monotonic(), http.MAX_OVERRUN_S))

    async def messages(
        self, stream: EventStream, query: Mapping[str, Any], until: float = inf
    ) -> AsyncGenerator[Message]:
        """Yield the stream's messages, endlessly or until this time of the monotonic clock.

        Lost connections are resumed, however long that takes. Only the first connection must
        succeed in time, as any request.

        Raises:
            StreamRefusedError: the service has another log, or one that ends before the position.
            ApiError: the service refuses the request.
            UnreachableError: the service did not answer.
        """
        connect_until = monotonic() + self._retry_s
        failures = 0
        while monotonic() < until:
            try:
                async with aclosing(self._connection(stream, query, until)) as connection:
                    async for message in connection:
                        failures = 0
                        connect_until = inf
                        yield message
            except (ApiError, UnreachableError) as error:
                if not http.is_transient(error) or monotonic() > connect_until:
                    raise http.stream_error(error) from error
            failures += 1
            remaining_s = max(0.0, until - monotonic())
            await sleep(min(back_off_s(failures), remaining_s))

    async def _connection(
        self, stream: EventStream, query: Mapping[str, Any], until: float
    ) -> AsyncGenerator[Message]:
        """Yield the messages of one connection."""
        silence_s = http.silence_s(until - monotonic())
        try:
            async with self._http.stream(
                "GET",
                "/events/stream",
                params={**query, **stream.connect()},
                timeout=http.stream_timeout(self._timeout_until(until), silence_s),
            ) as response:
                await _check(response)
                http.check_event_stream(response)
                lines = LineBuffer()
                async for chunk in response.aiter_bytes():
                    for line in lines.feed(chunk):
                        for message in stream.feed(line):
                            yield message
                    # Another silence on this connection could outlast the deadline.
                    if monotonic() + silence_s > until + http.MAX_OVERRUN_S:
                        return
        except httpx.RequestError as error:
            raise http.unreachable_error(self.url, error) from error

    async def log(
        self, run_id: str, attempt: int, lines: LineBuffer, *, follow: bool
    ) -> AsyncGenerator[str]:
        """Yield the lines of an attempt's log that the buffer has not received yet.

        A lost connection is resumed where it broke off.

        Raises:
            ApiError: the service refuses the request.
            UnreachableError: the service did not answer.
        """
        connect_until = monotonic() + self._retry_s
        failures = 0
        while True:
            try:
                connection = self._log_connection(run_id, attempt, lines, follow=follow)
                async with aclosing(connection) as batches:
                    async for batch in batches:
                        connect_until = inf
                        for line in batch:
                            failures = 0
                            yield line
            except (ApiError, UnreachableError) as error:
                if not http.is_transient(error) or monotonic() > connect_until:
                    raise
            else:
                return
            failures += 1
            await sleep(back_off_s(failures))

    async def _log_connection(
        self, run_id: str, attempt: int, lines: LineBuffer, *, follow: bool
    ) -> AsyncGenerator[list[str]]:
        """Yield the lines of one connection in batches; the first is empty, once it is open."""
        query = {"attempt": attempt, "offset": lines.received_bytes, "follow": follow}
        try:
            async with self._http.stream(
                "GET",
                run_path(run_id, "logs"),
                params=query,
                timeout=http.stream_timeout(self._timeout_s, http.SILENCE_S),
            ) as response:
                await _check(response)
                # The service answers; the attempt itself may print nothing for a long time.
                yield []
                async for chunk in response.aiter_bytes():
                    yield lines.feed(chunk)
        except httpx.RequestError as error:
            raise http.unreachable_error(self.url, error) from error


async def _check(response: httpx.Response) -> None:
    """Raise the error of an unsuccessful answer.

    Raises:
        ApiError: the service refuses the request.
    """
    if not response.is_success:
        await response.aread()
        raise http.response_error(response)


class AsyncBulk:
    """Bulk operations, which cancel, retry or rerun many runs: `client.bulk`."""

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
        """Start an operation on all runs that match; it runs in the background.

        Args:
            action: `cancel`, `retry` or `rerun`.
            where: conditions that must all hold, such as `["job=report", "status!=expired"]`; or
                `["all"]`.
            reason: why; recorded in the history of each run.
            parameters: override, by name, the parameters of the runs that are repeated.
            idempotency_key: calls with the same key start one operation. Without one, each call
                gets a new key, so that it can be sent again when its answer is lost.

        Raises:
            InvalidRequestError: the request breaks a rule.
            ConflictError: the key was used for another operation.
        """
        request = bulk.start(action, where, reason, parameters, idempotency_key)
        return BulkDocument(await self._transport.data(request))

    async def dry_run(
        self,
        action: BulkAction,
        where: Sequence[str],
        *,
        parameters: Mapping[str, Json] | None = None,
    ) -> BulkPreviewDocument:
        """Return which runs an operation would change; nothing is changed.

        Raises:
            InvalidRequestError: the request breaks a rule.
        """
        return BulkPreviewDocument(
            await self._transport.data(bulk.dry_run(action, where, parameters))
        )

    async def each(self, as_of: int | datetime | None = None) -> AsyncGenerator[BulkDocument]:
        """Yield operations, newest first; with `as_of`, at that log position or time."""
        async for operation in self._transport.items(bulk.page(as_of)):
            yield BulkDocument(operation)

    async def show(self, operation_id: str, as_of: int | datetime | None = None) -> BulkDocument:
        """Return an operation with its progress; with `as_of`, at that log position or time.

        Raises:
            NotFoundError: no operation has this id.
        """
        return BulkDocument(await self._transport.data(bulk.show(operation_id, as_of)))

    async def runs(self, operation_id: str) -> AsyncGenerator[RunDocument]:
        """Yield the runs that an operation launched, as they are now, newest first.

        Raises:
            NotFoundError: no operation has this id.
        """
        async for run in self._transport.items(bulk.runs(operation_id)):
            yield RunDocument(run)

    async def counts(self, operation_id: str) -> Mapping[RunStatus, int]:
        """Return how many of the runs that an operation launched are in each status now.

        Raises:
            NotFoundError: no operation has this id.
        """
        answer = await self._transport.send(bulk.runs(operation_id))
        counts: Mapping[RunStatus, int] = answer["meta"]["counts"]
        return counts

    async def abort(self, operation_id: str, reason: str | None = None) -> BulkDocument:
        """Stop an operation; what it has already done to runs is not undone.

        Raises:
            NotFoundError: no operation has this id.
            ConflictError: the operation is completed.
        """
        return BulkDocument(await self._transport.data(bulk.abort(operation_id, reason)))

    async def wait(self, operation_id: str, timeout: float | None = None) -> BulkDocument:
        """Wait until an operation has completed or was aborted, and return it.

        Args:
            operation_id: the operation's id.
            timeout: the maximum wait in seconds; None waits without limit.

        Raises:
            NotFoundError: no operation has this id.
            WaitTimeoutError: the operation still runs after that time, and continues.
        """
        started = monotonic()
        operation = await self.show(operation_id)
        while not operation.is_over:
            if timeout is not None and monotonic() - started >= timeout:
                raise WaitTimeoutError(bulk.wait_timeout_message(operation, timeout))
            await sleep(bulk.POLL_INTERVAL_S)
            operation = await self.show(operation_id)
        return operation


class AsyncFailures:
    """Failure groups, which gather failed attempts of the same cause: `client.failures`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def each(
        self,
        status: FailureStatus | None = None,
        job: str | None = None,
        as_of: int | datetime | None = None,
    ) -> AsyncGenerator[FailureDocument]:
        """Yield groups, the latest failure first; with `as_of`, at that log position or time."""
        async for group in self._transport.items(failures.page(status, job, as_of)):
            yield FailureDocument(group)

    async def show(self, fingerprint: str) -> FailureDocument:
        """Return a group.

        Raises:
            NotFoundError: no group has this fingerprint.
        """
        return FailureDocument(await self._transport.data(failures.show(fingerprint)))

    async def resolve(self, fingerprint: str, in_version: int | None = None) -> FailureDocument:
        """Mark a group as resolved, optionally as of a version of its job."""
        request = failures.resolve(fingerprint, in_version)
        return FailureDocument(await self._transport.data(request))

    async def ignore(self, fingerprint: str) -> FailureDocument:
        """Mark a group as ignored, so that it is not listed among open ones."""
        return FailureDocument(await self._transport.data(failures.ignore(fingerprint)))

    async def reopen(self, fingerprint: str) -> FailureDocument:
        """Mark a resolved or ignored group as open again."""
        return FailureDocument(await self._transport.data(failures.reopen(fingerprint)))

    async def retry(
        self,
        fingerprint: str,
        reason: str,
        *,
        parameters: Mapping[str, Json] | None = None,
        idempotency_key: str | None = None,
    ) -> BulkDocument:
        """Retry the group's failed runs that were not retried yet, as a bulk operation.

        Args:
            fingerprint: the group's fingerprint.
            reason: why; recorded in the history of each run.
            parameters: override, by name, the parameters of the runs that are repeated.
            idempotency_key: calls with the same key start one operation.

        Returns:
            The operation; `client.bulk` shows its progress.

        Raises:
            NotFoundError: no group has this fingerprint.
            ConflictError: the key was used for another operation.
        """
        request = failures.retry(fingerprint, reason, parameters, idempotency_key)
        return BulkDocument(await self._transport.data(request))

    async def preview_retry(
        self, fingerprint: str, *, parameters: Mapping[str, Json] | None = None
    ) -> BulkPreviewDocument:
        """Return which runs `retry` would retry; nothing is launched."""
        request = failures.preview_retry(fingerprint, parameters)
        return BulkPreviewDocument(await self._transport.data(request))

    async def over_time(
        self,
        fingerprints: Sequence[str],
        begin: datetime | None = None,
        bucket: Duration | None = None,
    ) -> list[FailuresOverTimeDocument]:
        """Return when groups failed, and how often.

        Args:
            fingerprints: of the groups.
            begin: when the first bucket begins. Default: a day ago.
            bucket: the length of each. Default: half an hour.
        """
        return [
            FailuresOverTimeDocument(group)
            for request in statistics.failures_over_time(fingerprints, begin, bucket)
            for group in await self._transport.data(request)
        ]


ACKNOWLEDGED = "connection.ack"
"""The first message of each connection."""

R = TypeVar("R")
T = TypeVar("T")


class AsyncRun(Generic[R]):
    """A handle of a run.

    Attributes:
        document: the run as of the service's last answer.
        warnings: why the run may not start soon, as the launch reported; empty unless this handle
            comes from a launch.
    """

    def __init__(
        self, transport: AsyncTransport, document: RunDocument, convert: Callable[[Any], R]
    ) -> None:
        self._transport = transport
        self._convert = convert
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
        """The status as of the service's last answer; `refresh` updates it."""
        return self.document.status

    async def refresh(self) -> RunDocument:
        """Read the run, and update and return `document`."""
        return await self._refresh(inf)

    async def _refresh(self, until: float) -> RunDocument:
        self.document = RunDocument((await self._transport.data(runs.show(self.id), until))["run"])
        return self.document

    async def wait(self, timeout: float | None = None) -> RunDocument:
        """Wait until the run has ended, however it ended, and return it.

        It follows the event stream, through restarts of the service.

        Args:
            timeout: the maximum wait in seconds; None waits without limit.

        Raises:
            WaitTimeoutError: the run has not ended within that time, and continues.
        """
        if self.status in FINAL:
            return self.document
        until = inf
        if timeout is not None:
            until = monotonic() + timeout
        is_refreshed = False
        query = runs.final_events_query(self.slug)
        messages = self._transport.messages(EventStream(), query, until)
        async with aclosing(messages):
            async for message in messages:
                if message.type == ACKNOWLEDGED:
                    # The stream misses nothing from here on, but the run may have ended before.
                    is_refreshed = False
                if message.is_event:
                    self._update_from(message)
                elif not is_refreshed:
                    is_refreshed = await self._try_refresh(until)
                if self.document.is_final:
                    return self.document
        raise WaitTimeoutError(runs.wait_timeout_message(self.document, timeout))

    def _update_from(self, message: Message) -> None:
        run = message.run
        if run is not None and run.id == self.id:
            self.document = run

    async def _try_refresh(self, until: float) -> bool:
        """Read the run, and return whether the service answered by then."""
        try:
            await self._refresh(until)
        except (ApiError, UnreachableError) as error:
            if not http.is_transient(error):
                raise
            return False
        return True

    @overload
    async def result(self, *, timeout: float | None = None) -> R: ...
    @overload
    async def result(self, model: type[T], *, timeout: float | None = None) -> T: ...
    async def result(self, model: type[T] | None = None, *, timeout: float | None = None) -> R | T:
        """Wait until the run has ended, and return its result.

        Args:
            model: the type to validate the result as: a pydantic model, a dataclass, or any other
                type that pydantic supports. Default: the return type of a decorated job.
            timeout: the maximum wait in seconds; None waits without limit.

        Raises:
            RunFailedError: the run failed.
            RunCanceledError: the run was canceled.
            RunExpiredError: the run exceeded its timeout, or did not start by its deadline.
            WaitTimeoutError: the run has not ended within that time, and continues.
            pydantic.ValidationError: the result does not fit the type.
        """
        document = await self.wait(timeout)
        if document.status != "succeeded":
            raise ended_error(document)
        if model is None:
            return self._convert(document.result)
        return runs.validate_result(document.result, model)

    async def logs(
        self, *, attempt: int | None = None, follow: bool = False, stream: LogStream | None = None
    ) -> AsyncGenerator[str]:
        """Yield the lines of an attempt's log with their times; `stream_of` returns their streams.

        Args:
            attempt: the attempt's number. Default: the last one.
            follow: whether to continue until the attempt has ended.
            stream: only lines that were printed on this one.
        """
        document = await self.refresh()
        number = attempt or document.attempt
        lines = LineBuffer()
        is_complete = False
        while not is_complete:
            log = self._transport.log(self.id, number, lines, follow=follow)
            async with aclosing(log):
                async for line in log:
                    if http.is_selected(line, stream):
                        yield line
            # A stopping service ends the answer, too.
            is_complete = not follow or await self._has_attempt_ended(number)
        for line in lines.flush():
            if http.is_selected(line, stream):
                yield line

    async def _has_attempt_ended(self, attempt: int) -> bool:
        document = await self.refresh()
        return document.is_final or document.attempt > attempt

    async def cancel(self, reason: str | None = None) -> RunDocument:
        """Request cancellation: a pending run is canceled at once, a running one once it stops.

        Raises:
            ConflictError: the run has ended in another way.
        """
        self.document = RunDocument(await self._transport.data(runs.cancel(self.id, reason)))
        return self.document

    async def retry(
        self, *, parameters: Mapping[str, Json] | None = None, idempotency_key: str | None = None
    ) -> "AsyncRun[R]":
        """Launch a new run with the parameters of this one, which has ended; return the new run.

        Args:
            parameters: all of the new run's, instead of this one's.
            idempotency_key: calls with the same key launch one new run.

        Raises:
            ConflictError: the run has not ended.
            InvalidRequestError: the parameters do not satisfy the job's schema.
        """
        run = await self._transport.data(runs.retry(self.id, parameters, idempotency_key))
        return AsyncRun(self._transport, RunDocument(run), self._convert)

    async def events(self) -> list[dict[str, Any]]:
        """Return all events of the run, the oldest first."""
        events: list[dict[str, Any]] = await self._transport.data(runs.show(self.id, "events"))
        return events

    async def attempts(self) -> list[dict[str, Any]]:
        """Return the run's attempts: when each ran, on which worker, and how it ended."""
        attempts: list[dict[str, Any]] = await self._transport.data(runs.show(self.id, "attempts"))
        return attempts

    async def explain(self, as_of: int | datetime | None = None) -> ExplanationDocument:
        """Explain why the run waits, or how it ended; with `as_of`, at that position or time."""
        return ExplanationDocument(await self._transport.data(runs.explain(self.id, as_of)))

    async def related(self, limit: int = 20) -> RelatedDocument:
        """Return the run's failure group, the runs that repeat it, and what launched it.

        Args:
            limit: how many of the runs that repeat it, a hundred at most.
        """
        return RelatedDocument(await self._transport.data(runs.related(self.id, limit)))

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
        self, job: str, mapping: Mapping[str, Json] = ..., /, **parameters: Json
    ) -> AsyncRun[Json]: ...
    async def launch(
        self, job: Job[..., Any] | str, /, *args: Any, **parameters: Any
    ) -> AsyncRun[Any]:
        """Launch a run, and return at once; `wait` and `result` of the run wait for its end.

        The request is sent again when its answer is lost, and still launches one run.

        Args:
            job: a function under `@job`, or a slug.
            *args: the function's positional arguments; with a slug, a mapping of parameters.
            **parameters: the parameters by name.

        Raises:
            TypeError: the arguments do not fit the function's signature.
            InvalidRequestError: the parameters do not satisfy the job's schema.
            NotFoundError: no job has this slug.
            ConflictError: the idempotency key was used for another launch.
        """
        slug, json_parameters, convert = resolve_launch(job, args, parameters)
        answer = await self._transport.send(self._options.request(slug, json_parameters))
        run = AsyncRun(self._transport, RunDocument(answer["data"]), convert)
        run.warnings = launch_warnings(answer)
        return run


class AsyncDefinitions(AsyncLauncher):
    """Launches jobs, and reads, registers and changes their definitions."""

    async def jobs(self, as_of: int | datetime | None = None) -> list[JobDocument]:
        """Return all jobs, ordered by slug; with `as_of`, at that log position or time."""
        return [JobDocument(job) for job in await self._transport.data(jobs.all_jobs(as_of))]

    async def job(self, slug: str) -> JobDocument:
        """Return a job.

        Raises:
            NotFoundError: no job has this slug.
        """
        return JobDocument((await self._transport.data(jobs.show(slug)))["job"])

    async def register(self, definition: Definition) -> JobDocument:
        """Register a job whose slug is free.

        Args:
            definition: a function under `@job`, or the body of `POST /jobs`.

        Raises:
            InvalidRequestError: the definition breaks a rule.
            ConflictError: another job has this slug.
        """
        return JobDocument(await self._transport.data(jobs.register(definition_body(definition))))

    async def revise(self, slug: str, changes: Mapping[str, Json]) -> JobDocument:
        """Change fields of a job; that makes a new version, unless nothing changes.

        Raises:
            InvalidRequestError: the changes break a rule.
            NotFoundError: no job has this slug.
        """
        return JobDocument(await self._transport.data(jobs.revise(slug, changes)))

    async def apply(self, definition: Definition) -> JobDocument:
        """Register a job, or revise it to match this definition.

        Args:
            definition: a function under `@job`, or the body of `POST /jobs`; fields that it leaves
                out take their defaults.

        Raises:
            InvalidRequestError: the definition breaks a rule.
        """
        slug = definition_body(definition)["slug"]
        try:
            current = await self.job(slug)
        except NotFoundError:
            try:
                return await self.register(definition)
            except ConflictError:
                current = await self.job(slug)  # Another client registered it meanwhile.
        changes = patch(definition, current)
        if not changes:
            return current
        return await self.revise(slug, changes)

    async def pause(self, slug: str, reason: str | None = None) -> JobDocument:
        """Pause a job: its pending and new runs wait, and its running ones continue.

        Pausing a paused job changes nothing, not even the reason.

        Raises:
            NotFoundError: no job has this slug.
        """
        return JobDocument(await self._transport.data(jobs.pause(slug, reason)))

    async def resume(self, slug: str) -> JobDocument:
        """Resume a paused job, so that its runs start again.

        Raises:
            NotFoundError: no job has this slug.
        """
        return JobDocument(await self._transport.data(jobs.resume(slug)))

    async def delete(self, slug: str) -> JobDocument:
        """Delete a job, and return its last state; its runs and its history stay.

        Raises:
            NotFoundError: no job has this slug.
            ConflictError: the job has pending or running runs, or is built in.
        """
        return JobDocument(await self._transport.data(jobs.delete(slug)))


MAX_PREVIEWS = 100
"""Requests that count the ticks of a backfill: a hundred thousand ticks, which takes seconds."""


class AsyncSchedules:
    """Schedules, which launch runs of a job by a calendar: `client.schedules`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def each(self, as_of: int | datetime | None = None) -> AsyncGenerator[ScheduleDocument]:
        """Yield all schedules, ordered by id; with `as_of`, at that log position or time."""
        async for schedule in self._transport.items(schedules.page(as_of)):
            yield ScheduleDocument(schedule)

    async def show(self, schedule_id: str) -> ScheduleDocument:
        """Return a schedule.

        Raises:
            NotFoundError: no schedule has this id.
        """
        return ScheduleDocument(await self._transport.data(schedules.show(schedule_id)))

    async def create(self, schedule: Mapping[str, Json]) -> ScheduleDocument:
        """Create a schedule whose id is free.

        Args:
            schedule: the body of `POST /schedules`: `id`, `job`, `cron` or `everyMs`, and so on.

        Raises:
            InvalidRequestError: the schedule breaks a rule.
            ConflictError: another schedule has this id.
        """
        return ScheduleDocument(await self._transport.data(schedules.create(schedule)))

    async def revise(self, schedule_id: str, changes: Mapping[str, Json]) -> ScheduleDocument:
        """Change fields of a schedule; that makes a new version, unless nothing changes.

        Raises:
            InvalidRequestError: the changes break a rule.
            NotFoundError: no schedule has this id.
        """
        return ScheduleDocument(await self._transport.data(schedules.revise(schedule_id, changes)))

    async def apply(self, schedule: Mapping[str, Json]) -> ScheduleDocument:
        """Create a schedule, or revise it to match this one.

        Args:
            schedule: the body of `POST /schedules`; fields that it leaves out take their defaults.

        Raises:
            InvalidRequestError: the schedule breaks a rule.
        """
        changes = schedules.patch(schedule)
        try:
            return await self.revise(str(schedule["id"]), changes)
        except NotFoundError:
            pass
        try:
            return await self.create(schedule)
        except ConflictError:  # Another client created it meanwhile.
            return await self.revise(str(schedule["id"]), changes)

    async def pause(self, schedule_id: str, reason: str | None = None) -> ScheduleDocument:
        """Pause a schedule: its ticks are skipped until it is resumed."""
        return ScheduleDocument(await self._transport.data(schedules.pause(schedule_id, reason)))

    async def resume(self, schedule_id: str) -> ScheduleDocument:
        """Resume a paused schedule, so that its ticks launch runs again."""
        return ScheduleDocument(await self._transport.data(schedules.resume(schedule_id)))

    async def delete(self, schedule_id: str) -> ScheduleDocument:
        """Delete a schedule; its runs continue, and its history stays."""
        return ScheduleDocument(await self._transport.data(schedules.delete(schedule_id)))

    async def trigger(
        self, schedule_id: str, *, idempotency_key: str | None = None
    ) -> AsyncRun[Json]:
        """Launch a run of a schedule now, whatever its overlap policy.

        Args:
            schedule_id: the schedule's id.
            idempotency_key: calls with the same key launch one run.
        """
        answer = await self._transport.send(schedules.trigger(schedule_id, idempotency_key))
        return AsyncRun(self._transport, RunDocument(answer["data"]), untyped)

    async def backfill(self, schedule_id: str, begin: datetime, end: datetime) -> list[str]:
        """Launch a run for each past tick that has none, and return the ids of the runs.

        It sends one request for every hundred ticks. After an error it can be called again: no
        tick is launched twice.
        """
        run_ids: list[str] = []
        next_begin: str | None = begin.isoformat()
        while next_begin is not None:
            request = schedules.backfill(schedule_id, next_begin, end.isoformat())
            backfill = await self._transport.data(request)
            run_ids += backfill["runs"]
            next_begin = backfill["continueFrom"]
        return run_ids

    async def preview_backfill(self, schedule_id: str, begin: datetime, end: datetime) -> int:
        """Return how many runs `backfill` would launch; nothing is launched.

        It sends one request for every thousand ticks, at most a hundred.

        Raises:
            ClientError: more ticks lie in this time; the message says how many runs were counted
                up to when.
        """
        count = 0
        next_begin = begin.isoformat()
        for _ in range(MAX_PREVIEWS):
            request = schedules.preview_backfill(schedule_id, next_begin, end.isoformat())
            preview = await self._transport.data(request)
            count += int(preview["count"])
            if preview["continueFrom"] is None:
                return count
            next_begin = preview["continueFrom"]
        message = (
            f"{schedule_id} has too many ticks in this time to count: {count} runs would be"
            f" launched before {next_begin}; choose a shorter time"
        )
        raise ClientError(message)

    async def preview(self, schedule_id: str, n: int = 10) -> list[ComingTickDocument]:
        """Return the next `n` ticks of a schedule, a hundred at most."""
        ticks = await self._transport.data(schedules.preview(schedule_id, n))
        return [ComingTickDocument(tick) for tick in ticks]

    async def ticks(self, schedule_id: str) -> AsyncGenerator[TickDocument]:
        """Yield a schedule's past ticks with their outcomes, in the order of the decisions."""
        async for tick in self._transport.items(schedules.ticks(schedule_id)):
            yield TickDocument(tick)

    async def runs(
        self, schedule_ids: Sequence[str], begin: datetime | None = None, last: int = 10
    ) -> list[ScheduleRunsDocument]:
        """Return what became of the runs of schedules.

        Args:
            schedule_ids: the schedules' ids.
            begin: runs launched before are not counted. Default: seven days ago.
            last: how many of each schedule's last runs, a hundred at most.
        """
        return [
            ScheduleRunsDocument(schedule)
            for request in statistics.runs_of_schedules(schedule_ids, begin, last)
            for schedule in await self._transport.data(request)
        ]


class AsyncViews:
    """Saved views of the list of runs, which everybody sees: `client.views`.

    `client.runs(where=view.filter, sort=view.sort)` lists the runs of one.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def each(self, as_of: int | datetime | None = None) -> AsyncGenerator[ViewDocument]:
        """Yield all views, ordered by name; with `as_of`, at that log position or time."""
        for view in await self._transport.data(views.all_views(as_of)):
            yield ViewDocument(view)

    async def save(
        self, name: str, where: Sequence[str], sort: RunOrder = "created"
    ) -> ViewDocument:
        """Save a view under a name, in place of the one that has it.

        Args:
            name: a hundred characters at most.
            where: conditions that must all hold, such as `["job=report", "status!=expired"]`; none
                for all runs.
            sort: the order of the list, as for `client.runs`.

        Raises:
            InvalidRequestError: the name or a condition breaks a rule.
            ConflictError: there are too many views.
        """
        return ViewDocument(await self._transport.data(views.save(name, where, sort)))

    async def delete(self, name: str) -> ViewDocument:
        """Delete a view, and return its last state; its name can be used again.

        Raises:
            NotFoundError: no view has this name.
        """
        return ViewDocument(await self._transport.data(views.delete(name)))


class AsyncClient(AsyncDefinitions):
    """A client of the service. Use it in `async with`, or close it with `aclose`.

    ```python
    async with AsyncClient("http://localhost:4000") as client:
        run = await client.launch(greet, name="Ada")
        print(await run.result())
    ```

    Requests that can be repeated safely are retried while the service cannot be reached or is
    busy, for 30 s by default. Launches and bulk operations are, as each has an idempotency key.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        retry_for: float = 30.0,
    ) -> None:
        """Create a client; nothing is sent yet.

        Args:
            url: the service's address. Default: `APPHUB_URL`, else `http://localhost:4000`.
            token: the bearer token. Default: `APPHUB_TOKEN`, else none.
            timeout: the maximum seconds for one answer.
            retry_for: for how many seconds a request is retried; 0 disables retries.

        Raises:
            ValueError: `url` is not an HTTP address, or no header can hold the token.
        """
        transport = AsyncTransport(resolve_url(url), resolve_token(token), timeout, retry_for)
        super().__init__(transport, LaunchOptions())

    async def __aenter__(self) -> "Self":
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
        """The service's schedules."""
        return AsyncSchedules(self._transport)

    @property
    def views(self) -> AsyncViews:
        """The service's saved views."""
        return AsyncViews(self._transport)

    @property
    def failures(self) -> AsyncFailures:
        """The service's failure groups."""
        return AsyncFailures(self._transport)

    @property
    def bulk(self) -> AsyncBulk:
        """The service's bulk operations."""
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
        traceparent: str | None = None,
    ) -> AsyncLauncher:
        """Return a launcher with these options: `client.options(delay="5m").launch(…)`.

        Args:
            idempotency_key: launches of a job with the same key and the same parameters return one
                run.
            delay: how long after the launch the run is due.
            priority: -100 to 100; runs of higher priority start first.
            timeout: how long one attempt may run, instead of the job's own timeout.
            max_attempts: the maximum number of attempts, instead of the job's own.
            start_deadline: how long after it is due the run may start; then it expires.
            context: stored with the run.
            traceparent: the span that the run continues, such as a handler's own
                `context.traceparent`; HTTP clients with OpenTelemetry send theirs by themselves.
        """
        options = LaunchOptions(
            idempotency_key=idempotency_key,
            delay=delay,
            priority=priority,
            timeout=timeout,
            max_attempts=max_attempts,
            start_deadline=start_deadline,
            context=context,
            traceparent=traceparent,
        )
        return AsyncLauncher(self._transport, options)

    async def run(self, run_id: str) -> AsyncRun[Json]:
        """Return a run.

        Raises:
            NotFoundError: no run has this id.
        """
        return self._run((await self._transport.data(runs.show(run_id)))["run"])

    async def runs(  # noqa: PLR0913 - one for each part of the query
        self,
        *,
        job: str | None = None,
        status: RunStatus | Sequence[RunStatus] | None = None,
        search: str | None = None,
        worker: str | None = None,
        where: Sequence[str] = (),
        as_of: int | datetime | None = None,
        sort: RunOrder = "created",
    ) -> AsyncGenerator[AsyncRun[Json]]:
        """Yield runs, newest first unless sorted; pages are requested as they are needed.

        Args:
            job: only runs of the job with this slug.
            status: only runs in this status, or in one of these.
            search: only runs whose slug or job name contains this text, or whose id begins with it.
            worker: only runs that the worker with this id started, also if others did so later.
            where: further conditions, such as `"status!=failed"` or `"parameters.region=eu"`.
            as_of: a log position or a past time: the list as it was then.
            sort: `started`, `ended` or `duration` for only those that have ended, the last started,
                the last ended or the longest first.
        """
        async for item in self._transport.items(
            runs.page(job, status, search, worker, where, as_of, sort)
        ):
            yield self._run(item["run"])

    async def explain(
        self, run_id: str, as_of: int | datetime | None = None
    ) -> ExplanationDocument:
        """Explain why a run waits, or how it ended; with `as_of`, at that position or time."""
        return ExplanationDocument(await self._transport.data(runs.explain(run_id, as_of)))

    async def statistics(  # noqa: PLR0913 - one for each part of the query
        self,
        *,
        begin: datetime | None = None,
        end: datetime | None = None,
        bucket: Duration | None = None,
        job: str | Sequence[str] | None = None,
        by_job: bool = False,
        as_of: int | datetime | None = None,
    ) -> StatisticsDocument:
        """Count the runs that were launched and that ended, over time.

        Args:
            begin: when the first bucket begins. Default: a day before `end`.
            end: when the last one ends. Default: now.
            bucket: the length of each, in whole minutes. Default: for at most a hundred buckets.
            job: only runs of the job with this slug, or of one of several.
            by_job: whether each job has buckets of its own.
            as_of: a log position or a past time: the counts as they were then.

        Raises:
            InvalidRequestError: there would be too many buckets, or they would be shorter than
                those that are kept for that time.
        """
        request = statistics.runs_over_time(begin, end, bucket, job, as_of, by_job=by_job)
        return statistics.document(await self._transport.send(request))

    async def workers(self) -> AsyncGenerator[WorkerDocument]:
        """Yield the live workers and those lost within the last day, ordered by id."""
        async for worker in self._transport.items(workers.page()):
            yield WorkerDocument(worker)

    async def drain(self, worker_id: str) -> WorkerDocument:
        """Drain a worker: it claims no more runs, and exits when its running ones have ended.

        Raises:
            NotFoundError: no worker has this id, or it has exited.
            ConflictError: the worker is lost.
        """
        return WorkerDocument(await self._transport.data(workers.drain(worker_id)))

    async def stream(
        self,
        *,
        after: int | None = None,
        log_id: str | None = None,
        types: str | None = None,
        job: str | None = None,
    ) -> AsyncGenerator[Message]:
        """Yield every message of the event stream in order and exactly once, endlessly.

        The stream resumes after lost connections and restarts of the service without a gap or a
        repetition.

        Args:
            after: the log position to begin after, 0 for the beginning of the log. Default: new
                events only. To resume after a restart of your program, pass the `position` of the
                last message that you handled.
            log_id: the log that the position belongs to.
            types: only messages of these types, separated by commas; `job.run.*` matches several.
            job: only messages about the job with this slug.

        Raises:
            StreamRefusedError: the service has another log, or one that ends before the position.
            ApiError: the service refuses the request.
        """
        filters = {"types": types, "job": job}
        query = {name: value for name, value in filters.items() if value is not None}
        messages = self._transport.messages(EventStream(after, log_id), query)
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
            query: the query parameters.
            body: the JSON body.
            is_repeatable: whether the request may be sent twice and still takes effect once; a
                `GET` always may.
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
        return AsyncRun(self._transport, RunDocument(document), untyped)
