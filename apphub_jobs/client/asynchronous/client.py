"""The client of one service: launches, jobs, runs and the stream."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from types import TracebackType
from typing import Self

from apphub_jobs.client import runs, workers
from apphub_jobs.client.asynchronous.bulk import AsyncBulk
from apphub_jobs.client.asynchronous.definitions import AsyncDefinitions
from apphub_jobs.client.asynchronous.failures import AsyncFailures
from apphub_jobs.client.asynchronous.launcher import AsyncLauncher
from apphub_jobs.client.asynchronous.run import AsyncRun
from apphub_jobs.client.asynchronous.schedules import AsyncSchedules
from apphub_jobs.client.asynchronous.transport import AsyncTransport
from apphub_jobs.client.documents import Message, RunDocument, RunStatus
from apphub_jobs.client.http import address, token_of
from apphub_jobs.client.requests import LaunchOptions, Request, as_it_is
from apphub_jobs.client.runs import ExplanationDocument
from apphub_jobs.client.server_sent import Resumption
from apphub_jobs.client.workers import WorkerDocument
from apphub_jobs.contract import Json
from apphub_jobs.typed.durations import Duration


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
    ) -> AsyncGenerator[AsyncRun[Json]]:
        """Yield runs, newest first; pages are asked for as they are needed.

        Args:
            job: only this slug's.
            status: only those in this status, or in one of these.
            search: only those with this part of a slug or a job's name, or start of their id.
            where: further conditions, such as `"status!=failed"` or `"parameters.region=eu"`.
        """
        cursor: str | None = None
        is_more = True
        while is_more:
            page = runs.page(job, status, search, where, cursor)
            answer = await self._transport.send(page)
            for found in answer["data"]:
                yield self._run(found["run"])
            cursor = answer["meta"]["nextCursor"]
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
