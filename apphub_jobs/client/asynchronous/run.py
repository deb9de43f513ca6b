"""A run, and what can be done with it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from math import inf
from time import monotonic
from typing import Any, Generic, TypeVar, overload

from apphub_jobs.client import http, runs
from apphub_jobs.client.asynchronous.transport import AsyncTransport
from apphub_jobs.client.documents import FINAL, Message, RunDocument, RunStatus
from apphub_jobs.client.errors import (
    ApiError,
    UnreachableError,
    WaitTimeoutError,
    ended_error,
)
from apphub_jobs.client.lines import Lines
from apphub_jobs.client.runs import ExplanationDocument
from apphub_jobs.client.server_sent import Resumption

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
        self,
        transport: AsyncTransport,
        document: RunDocument,
        typed: Callable[[Any], R],
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
        messages = self._transport.messages(
            Resumption(), runs.ends_of(self.slug), until
        )
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
    async def result(
        self, model: type[T] | None = None, *, timeout: float | None = None
    ) -> R | T:
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

    async def retry(self) -> "AsyncRun[R]":
        """Launch the ended run anew, and return the new run.

        Raises:
            ConflictError: it has not ended.
        """
        answer = await self._transport.send(runs.retried(self.id))
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
