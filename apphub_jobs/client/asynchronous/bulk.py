"""What a client asks of bulk operations."""

from asyncio import sleep
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from time import monotonic

from apphub_jobs.client.asynchronous.transport import AsyncTransport
from apphub_jobs.client.bulk import requests
from apphub_jobs.client.bulk.documents import (
    BulkAction,
    BulkDocument,
    BulkPreviewDocument,
)
from apphub_jobs.client.errors import WaitTimeoutError
from apphub_jobs.contract import Json


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
        request = requests.ordered(action, where, reason, parameters, idempotency_key)
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
        answer = await self._transport.send(
            requests.previewed(action, where, parameters)
        )
        return BulkPreviewDocument(answer["data"])

    async def each(
        self, as_of: int | datetime | None = None
    ) -> AsyncGenerator[BulkDocument]:
        """Yield operations, newest first; also as of a past position or moment."""
        cursor: str | None = None
        is_more = True
        while is_more:
            answer = await self._transport.send(requests.page(cursor, as_of))
            for found in answer["data"]:
                yield BulkDocument(found)
            cursor = answer["meta"]["nextCursor"]
            is_more = cursor is not None

    async def show(
        self, operation_id: str, as_of: int | datetime | None = None
    ) -> BulkDocument:
        """Return an operation, and how far it has got; also as of a past position or moment.

        Raises:
            NotFoundError: there is none of this id.
        """
        answer = await self._transport.send(requests.shown(operation_id, as_of))
        return BulkDocument(answer["data"])

    async def abort(self, operation_id: str, reason: str | None = None) -> BulkDocument:
        """Go through no more runs; what is done stays done.

        Raises:
            NotFoundError: there is none of this id.
            ConflictError: it is completed.
        """
        answer = await self._transport.send(requests.aborted(operation_id, reason))
        return BulkDocument(answer["data"])

    async def wait(
        self, operation_id: str, timeout: float | None = None
    ) -> BulkDocument:
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
                raise WaitTimeoutError(requests.not_over(found, timeout))
            await sleep(requests.LOOK_EVERY_S)
            found = await self.show(operation_id)
        return found
