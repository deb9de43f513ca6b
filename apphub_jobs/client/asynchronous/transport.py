"""Sends requests, again where that is safe, and gives what the service answered."""

from asyncio import sleep
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from math import inf
from time import monotonic
from typing import Any

import httpx

from apphub_jobs.client import http
from apphub_jobs.client.documents import Message
from apphub_jobs.client.errors import ApiError, UnreachableError
from apphub_jobs.client.lines import Lines
from apphub_jobs.client.requests import Request, run_path
from apphub_jobs.client.retrying import backed_off_s, pause_s
from apphub_jobs.client.server_sent import Resumption


class AsyncTransport:
    """Requests to one service.

    Attributes:
        url: its address.
    """

    def __init__(
        self, url: str, token: str | None, timeout_s: float, retry_s: float
    ) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=http.headers(token),
            timeout=timeout_s,
            limits=http.LIMITS,
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
        self,
        resumption: Resumption,
        query: Mapping[str, Any],
        until: float = inf,
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
                async with aclosing(
                    self._connection(resumption, query, until)
                ) as connection:
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
                async with aclosing(
                    self._log_part(run_id, attempt, lines, follow=follow)
                ) as part:
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
