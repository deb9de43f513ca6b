"""What a client asks of schedules."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime

from apphub_jobs.client.asynchronous.run import AsyncRun
from apphub_jobs.client.asynchronous.transport import AsyncTransport
from apphub_jobs.client.documents import RunDocument
from apphub_jobs.client.errors import ConflictError, NotFoundError
from apphub_jobs.client.requests import as_it_is
from apphub_jobs.client.schedules import requests
from apphub_jobs.client.schedules.documents import (
    ComingTickDocument,
    ScheduleDocument,
    TickDocument,
)
from apphub_jobs.contract import Json


class AsyncSchedules:
    """The schedules of a service: `client.schedules`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def each(
        self, as_of: int | datetime | None = None
    ) -> AsyncGenerator[ScheduleDocument]:
        """Yield every schedule, by id; also as of a past position or moment."""
        cursor: str | None = None
        is_more = True
        while is_more:
            answer = await self._transport.send(requests.page(cursor, as_of))
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
        answer = await self._transport.send(requests.shown(schedule_id))
        return ScheduleDocument(answer["data"])

    async def create(self, schedule: Mapping[str, Json]) -> ScheduleDocument:
        """Create a schedule whose id is free.

        Args:
            schedule: what `POST /schedules` takes: `id`, `job`, `cron` or `everyMs`, and so on.

        Raises:
            InvalidRequestError: it breaks a rule.
            ConflictError: there is one of this id.
        """
        answer = await self._transport.send(requests.created(schedule))
        return ScheduleDocument(answer["data"])

    async def revise(
        self, schedule_id: str, changes: Mapping[str, Json]
    ) -> ScheduleDocument:
        """Change fields of a schedule: a new version, unless nothing would change.

        Raises:
            InvalidRequestError: the changes break a rule.
            NotFoundError: there is none of this id.
        """
        answer = await self._transport.send(requests.revised(schedule_id, changes))
        return ScheduleDocument(answer["data"])

    async def apply(self, schedule: Mapping[str, Json]) -> ScheduleDocument:
        """Create a schedule, or revise it so that it is as this one, and nothing else.

        Raises:
            InvalidRequestError: it breaks a rule.
        """
        changes = requests.patch(schedule)
        try:
            return await self.revise(str(schedule["id"]), changes)
        except NotFoundError:
            pass
        try:
            return await self.create(schedule)
        except ConflictError:  # Somebody else was faster.
            return await self.revise(str(schedule["id"]), changes)

    async def pause(
        self, schedule_id: str, reason: str | None = None
    ) -> ScheduleDocument:
        """Skip a schedule's ticks until it is resumed."""
        answer = await self._transport.send(requests.paused(schedule_id, reason))
        return ScheduleDocument(answer["data"])

    async def resume(self, schedule_id: str) -> ScheduleDocument:
        """Launch at a schedule's ticks again."""
        answer = await self._transport.send(requests.resumed(schedule_id))
        return ScheduleDocument(answer["data"])

    async def delete(self, schedule_id: str) -> ScheduleDocument:
        """End a schedule; its runs go on, its history stays."""
        answer = await self._transport.send(requests.deleted(schedule_id))
        return ScheduleDocument(answer["data"])

    async def trigger(self, schedule_id: str) -> AsyncRun[Json]:
        """Launch a run of a schedule now, whatever else runs."""
        answer = await self._transport.send(requests.triggered(schedule_id))
        document = RunDocument(answer["data"])
        return AsyncRun(self._transport, document, as_it_is)

    async def backfill(
        self, schedule_id: str, begin: datetime, end: datetime
    ) -> list[str]:
        """Launch past ticks that have no run, and return the ids of the runs.

        The service launches a hundred at a time; this goes on until all are. Broken off, it can be
        called again: no tick is launched twice.
        """
        launched: list[str] = []
        first: str | None = begin.isoformat()
        while first is not None:
            request = requests.backfilled(schedule_id, first, end.isoformat())
            answer = await self._transport.send(request)
            launched += answer["data"]["runs"]
            first = answer["data"]["continueFrom"]
        return launched

    async def preview(self, schedule_id: str, n: int = 10) -> list[ComingTickDocument]:
        """Return the next ticks of a schedule, a hundred at most."""
        answer = await self._transport.send(requests.previewed(schedule_id, n))
        return [ComingTickDocument(tick) for tick in answer["data"]]

    async def ticks(self, schedule_id: str) -> AsyncGenerator[TickDocument]:
        """Yield what became of a schedule's ticks, in the order in which that was decided."""
        cursor: str | None = None
        is_more = True
        while is_more:
            answer = await self._transport.send(requests.ticks(schedule_id, cursor))
            for found in answer["data"]:
                yield TickDocument(found)
            cursor = answer["meta"]["nextCursor"]
            is_more = cursor is not None
