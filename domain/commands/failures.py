"""`Failures`: what the log notes of failures by itself, and what people do about their groups."""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.commands.application import SYSTEM, LogApplication
from domain.errors import NotFoundError, VersionConflictError
from domain.failures.group import FailureGroup, FailureWatch
from domain.failures.grouping import Alike, Findings, by_group, noted
from domain.identifiers import FAILURE_WATCH_ID, failure_group_id
from domain.ports import Origin, Row

STEP = 100_000
"""Positions after which a search without findings is written down, too: whoever is started next
begins there."""

Act = Callable[[FailureGroup, datetime], None]


class Failures:
    """The commands of failure groups."""

    def __init__(self, application: LogApplication) -> None:
        self._application = application

    # Of the log ----------------------------------------------------------------------------------

    async def watched(self) -> int:
        """Return the position up to which failures are noted."""
        watch = await self._watch()
        if watch is None:
            return 0
        return watch.searched_until

    async def note(self, findings: Findings) -> bool:
        """Note what a search has found; return whether it was news.

        It is not where another process has noted some of it meanwhile.
        """
        watch = await self._watch()
        place = 0
        if watch is not None:
            place = watch.searched_until
        if place > findings.after:
            return False
        is_far = findings.until >= place + STEP
        if findings.is_empty and not is_far:
            return True
        now = self._application.clock()
        groups = await self._noted(findings, now)
        if watch is None:
            watch = FailureWatch.begin(findings.until, now)
        else:
            watch.move(findings.until, now)
        try:
            await self._application.save(watch, *groups, origin=SYSTEM)
        except VersionConflictError:
            return False
        return True

    async def _watch(self) -> FailureWatch | None:
        return await self._application.find(FailureWatch, FAILURE_WATCH_ID)

    def _leave_unreadable_alone(self, alike: Mapping[UUID, Alike]) -> None:
        """Forget the failures of groups that cannot be read: none is opened again."""
        quarantine = self._application.quarantine
        for group_id, found in alike.items():
            if group_id in quarantine:
                found.failures.clear()

    async def _noted(self, findings: Findings, now: datetime) -> list[FailureGroup]:
        alike = by_group(findings)
        known = await self._application.load(FailureGroup, alike)
        self._leave_unreadable_alone(alike)
        return noted(alike, known, now)

    # Of people -----------------------------------------------------------------------------------

    async def resolve(self, fingerprint: str, in_version: int | None, origin: Origin) -> Row:
        """Say that it is mended, from a version of its job on. Raises NotFoundError as `reopen`."""

        def act(group: FailureGroup, now: datetime) -> None:
            group.resolve(origin.actor, in_version, now)

        return await self._changed(fingerprint, act, origin)

    async def ignore(self, fingerprint: str, origin: Origin) -> Row:
        """Show it no more among what is open. Raises NotFoundError as `reopen`."""

        def act(group: FailureGroup, now: datetime) -> None:
            group.ignore(origin.actor, now)

        return await self._changed(fingerprint, act, origin)

    async def reopen(self, fingerprint: str, origin: Origin) -> Row:
        """Say that it is not mended. Raises NotFoundError `failure_not_found`."""

        def act(group: FailureGroup, now: datetime) -> None:
            group.reopen(origin.actor, now)

        return await self._changed(fingerprint, act, origin)

    async def _changed(self, fingerprint: str, act: Act, origin: Origin) -> Row:
        group_id = failure_group_id(fingerprint)

        async def decide() -> list[Aggregate]:
            group = await self._application.find(FailureGroup, group_id)
            if group is None:
                raise NotFoundError("failure_not_found", "failure not found")
            now = self._application.clock()
            act(group, now)
            return [group]

        saved = await self._application.decide_and_save(decide, origin)
        row = saved.rows.get(group_id)
        if row is not None:
            return row
        return await self._row(group_id)

    async def _row(self, group_id: UUID) -> Row:
        """Return the row of a group that did not change."""
        log = self._application.log_port
        states = await log.states_of(FailureGroup.TOPIC, [group_id])
        row = states[group_id].row
        if row is None:
            raise NotFoundError("failure_not_found", "failure not found")
        return row
