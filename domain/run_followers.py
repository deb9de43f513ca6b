"""`RunFollower`: lets aggregates of another package change in the unit of a run's events.

A package that is built on jobs, such as the catalog, names the entry points whose runs it follows.
The composition root passes its follower to the commands, which call it for runs of these entry
points only, so that other runs cost no query. It completes launches, looks up inputs of handlers,
checks effects of results, and changes aggregates together with runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.clock import Clock
from domain.errors import Issue
from domain.jobs.launching import Launch
from domain.jobs.run import JobRun
from domain.json_values import Json, JsonObject
from domain.ports import Locked
from domain.quarantine import Quarantine

A = TypeVar("A", bound=Aggregate)


@dataclass(frozen=True)
class Effect:
    """What a run's result changes besides the run, in the same unit."""

    kind: str
    data: Mapping[str, Json]


class AggregateRepository(Protocol):
    """Loads aggregates of any class; `LogApplication` is one."""

    clock: Clock
    quarantine: Quarantine

    def new_id(self) -> UUID:
        """Return a new id; ids sort by the time of their creation."""

    async def load(
        self, aggregate_class: type[A], ids: Iterable[UUID], locked: Locked | None = None
    ) -> dict[UUID, A]:
        """Return those of the aggregates that exist and are of this class.

        The last ones are left out if all together are too large to be read at once.
        """


class RunFollower(Protocol):
    """Follows the runs of some entry points.

    It loads everything through the given `AggregateRepository`, under the log's lock if the command
    holds it, and writes nothing: the command appends the events of what it returns.
    """

    @property
    def entry_points(self) -> frozenset[str]:
        """Return the entry points whose runs are followed."""

    async def complete_launch(
        self, aggregates: AggregateRepository, entry_point: str, launch: Launch
    ) -> Launch:
        """Return the launch with the parameters that the follower adds.

        Raises:
            InvalidInputError: the launch contradicts the follower's own data.
        """

    async def inputs_of(
        self, aggregates: AggregateRepository, run: JobRun, locked: Locked | None
    ) -> JsonObject:
        """Return the inputs of the run's handler besides its parameters.

        Raises:
            QuarantinedError: this version of the program cannot read it.
        """

    def effect_issues(self, effects: Sequence[Effect]) -> list[Issue]:
        """Return what is wrong with the effects of a result."""

    async def follow(
        self,
        aggregates: AggregateRepository,
        runs: Sequence[JobRun],
        effects: Sequence[Effect],
        locked: Locked | None,
    ) -> list[Aggregate]:
        """Return the aggregates that the runs' pending events change or create.

        Args:
            aggregates: loads them.
            runs: runs of the follower's entry points, at least one.
            effects: of the result, if there is one run and it succeeds; else none.
            locked: the log, if its lock is held.

        Raises:
            QuarantinedError: an aggregate that follows cannot be read.
        """


class RunFollowers:
    """All followers of a process, by entry point."""

    def __init__(self, followers: Iterable[RunFollower] = ()) -> None:
        self._by_entry_point = {
            entry_point: follower for follower in followers for entry_point in follower.entry_points
        }

    async def complete_launch(
        self, aggregates: AggregateRepository, entry_point: str, launch: Launch
    ) -> Launch:
        """Return the launch as the entry point's follower completes it."""
        follower = self._by_entry_point.get(entry_point)
        if follower is None:
            return launch
        return await follower.complete_launch(aggregates, entry_point, launch)

    async def inputs_of(
        self, aggregates: AggregateRepository, run: JobRun, locked: Locked | None = None
    ) -> JsonObject:
        """Return the inputs of the run's handler besides its parameters: `{}` for most runs."""
        follower = self._by_entry_point.get(run.entry_point)
        if follower is None:
            return {}
        return await follower.inputs_of(aggregates, run, locked)

    def effect_issues(self, entry_point: str, effects: Sequence[Effect]) -> list[Issue]:
        """Return what is wrong with the effects of a result of this entry point's handler."""
        if not effects:
            return []
        follower = self._by_entry_point.get(entry_point)
        if follower is None:
            message = (
                "runs of this entry point have no effects, for nothing follows them; return none"
            )
            return [Issue("/effects", message, "maxItems", message)]
        return follower.effect_issues(effects)

    async def with_followers(
        self,
        aggregates: AggregateRepository,
        runs: Sequence[JobRun],
        effects: Sequence[Effect] = (),
        locked: Locked | None = None,
    ) -> list[Aggregate]:
        """Return the runs, and then the aggregates that change with their pending events."""
        followed: dict[RunFollower, list[JobRun]] = {}
        for run in runs:
            follower = self._by_entry_point.get(run.entry_point)
            if follower is not None:
                followed.setdefault(follower, []).append(run)
        changed: list[Aggregate] = [*runs]
        for follower, its_runs in followed.items():
            changed += await follower.follow(aggregates, its_runs, effects, locked)
        return changed
