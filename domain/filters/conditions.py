"""What a filter of runs comes to: conditions that must all hold. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.jobs.run_values import STATUSES
from domain.json_values import Json


@dataclass(frozen=True)
class AnyOf:
    """Any of the values in `wanted`, where these are not empty, and none of those in `unwanted`."""

    wanted: frozenset[str] = frozenset()
    unwanted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Parameter:
    """A parameter's value: any of these, or none of them. One that is missing has none."""

    name: str
    values: Sequence[Json]
    is_negated: bool


@dataclass(frozen=True)
class Label:
    """A label that a job asks of workers: with any of these values, or with none of them."""

    name: str
    values: frozenset[str]
    is_negated: bool


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What runs are wanted; what is left empty does not restrict.

    Attributes:
        statuses: that a run may be in; None for all, and empty where no run can be meant.
        jobs: by slug, whatever their case.
        modules: that the job belongs to, by their ids.
        search: in part of the job's slug or name, or at the start of a run's id.
        unsought: texts that must not be found so.
        actors: who requested it.
        failures: why it ended as it did; a run that has not ended has none.
        failure_groups: fingerprints of the groups that the failure belongs to which it ended by.
        labels: what its job asks of workers.
        is_retried: whether another run was launched to repeat it; None for either.
        created_from: the run was created then or later.
        created_before: the run was created before then.
    """

    statuses: tuple[str, ...] | None = None
    jobs: AnyOf = AnyOf()
    runtimes: AnyOf = AnyOf()
    modules: AnyOf = AnyOf()
    search: str | None = None
    unsought: tuple[str, ...] = ()
    actors: AnyOf = AnyOf()
    failures: AnyOf = AnyOf()
    failure_groups: AnyOf = AnyOf()
    labels: tuple[Label, ...] = ()
    is_retried: bool | None = None
    parameters: tuple[Parameter, ...] = ()
    created_from: datetime | None = None
    created_before: datetime | None = None

    @property
    def restrict(self) -> bool:
        """Return whether they restrict anything at all."""
        return self != Conditions()

    def only(self, statuses: Iterable[str]) -> "Conditions":
        """Return the same, for runs in one of these statuses alone."""
        passing = set(statuses)
        before = STATUSES if self.statuses is None else self.statuses
        narrowed = tuple(status for status in before if status in passing)
        return replace(self, statuses=narrowed)
