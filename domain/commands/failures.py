"""The commands of failure groups: searches of the log record failures, people judge the groups."""

from collections.abc import Callable
from datetime import datetime

from eventsourcing.domain import Aggregate

from domain.commands.application import LogApplication
from domain.errors import NotFoundError, VersionConflictError
from domain.failures.group import FailureGroup
from domain.failures.grouping import Findings, by_group, record_findings
from domain.failures.watch import FailureWatch
from domain.identifiers import FAILURE_WATCH_ID, failure_group_id
from domain.ports import SYSTEM, Origin, Row

STEP = 100_000
"""A search without findings is recorded after this number of positions: the next process that
starts continues there."""

Act = Callable[[FailureGroup, datetime], None]


class Failures:
    """The commands of failure groups."""

    def __init__(self, application: LogApplication) -> None:
        self._application = application

    # Of the log

    async def searched_until(self) -> int:
        """Return the position up to which failures are recorded."""
        watch = await self._watch()
        return 0 if watch is None else watch.searched_until

    async def record(self, findings: Findings) -> bool:
        """Record the findings of a search; return False if another process has recorded some."""
        watch = await self._watch()
        searched_until = 0 if watch is None else watch.searched_until
        if searched_until > findings.after:
            return False
        if findings.is_empty and findings.until < searched_until + STEP:
            return True
        now = self._application.clock()
        of_groups = by_group(findings)
        existing = await self._application.load(FailureGroup, of_groups)
        for group_id, of_group in of_groups.items():
            if group_id in self._application.quarantine:
                of_group.failures.clear()  # Else a group that cannot be read would be opened again.
        groups = record_findings(of_groups, existing, now)
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

    # Of people

    async def resolve(self, fingerprint: str, in_version: int | None, origin: Origin) -> Row:
        """Resolve a group, from a version of its job on. Raises NotFoundError as `reopen`."""
        return await self._change(
            fingerprint, lambda group, now: group.resolve(origin.actor, in_version, now), origin
        )

    async def ignore(self, fingerprint: str, origin: Origin) -> Row:
        """Remove a group from the open ones. Raises NotFoundError as `reopen`."""
        return await self._change(
            fingerprint, lambda group, now: group.ignore(origin.actor, now), origin
        )

    async def reopen(self, fingerprint: str, origin: Origin) -> Row:
        """Reopen a group. Raises NotFoundError `failure_not_found`."""
        return await self._change(
            fingerprint, lambda group, now: group.reopen(origin.actor, now), origin
        )

    async def _change(self, fingerprint: str, act: Act, origin: Origin) -> Row:
        group_id = failure_group_id(fingerprint)

        async def decide() -> list[Aggregate]:
            group = await self._application.find(FailureGroup, group_id)
            if group is None:
                raise NotFoundError("failure_not_found", "failure not found")
            act(group, self._application.clock())
            return [group]

        saved = await self._application.decide_and_save(decide, origin)
        row = await self._application.row_after(saved, FailureGroup.TOPIC, group_id)
        if row is None:
            raise NotFoundError("failure_not_found", "failure not found")
        return row
