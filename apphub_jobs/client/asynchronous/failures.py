"""What a client asks of failure groups."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime

from apphub_jobs.client.asynchronous.transport import AsyncTransport
from apphub_jobs.client.bulk.documents import BulkDocument, BulkPreviewDocument
from apphub_jobs.client.failures import requests
from apphub_jobs.client.failures.documents import FailureDocument, FailureStatus
from apphub_jobs.contract import Json


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
            request = requests.page(cursor, status, job, as_of)
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
        answer = await self._transport.send(requests.shown(fingerprint))
        return FailureDocument(answer["data"])

    async def resolve(
        self, fingerprint: str, in_version: int | None = None
    ) -> FailureDocument:
        """Say that it is mended; from a version of the job on, if one is given."""
        request = requests.resolved(fingerprint, in_version)
        answer = await self._transport.send(request)
        return FailureDocument(answer["data"])

    async def ignore(self, fingerprint: str) -> FailureDocument:
        """Show it no more among what is open."""
        answer = await self._transport.send(requests.ignored(fingerprint))
        return FailureDocument(answer["data"])

    async def reopen(self, fingerprint: str) -> FailureDocument:
        """Say that it is not mended after all, or not to be ignored any more."""
        answer = await self._transport.send(requests.reopened(fingerprint))
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
        request = requests.retried(fingerprint, reason, parameters, idempotency_key)
        answer = await self._transport.send(request)
        return BulkDocument(answer["data"])

    async def preview_retry(
        self, fingerprint: str, *, parameters: Mapping[str, Json] | None = None
    ) -> BulkPreviewDocument:
        """Return what `retry` would come to; nothing is done."""
        request = requests.retry_previewed(fingerprint, parameters)
        answer = await self._transport.send(request)
        return BulkPreviewDocument(answer["data"])
