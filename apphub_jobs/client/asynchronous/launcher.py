"""Launches with options."""

from collections.abc import Mapping
from typing import Any, ParamSpec, TypeVar, overload

from apphub_jobs.client.asynchronous.run import AsyncRun
from apphub_jobs.client.asynchronous.transport import AsyncTransport
from apphub_jobs.client.documents import RunDocument
from apphub_jobs.client.requests import LaunchOptions, launched, warnings_in
from apphub_jobs.contract import JobResult, Json
from apphub_jobs.typed.job import Job

P = ParamSpec("P")
R = TypeVar("R")


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
