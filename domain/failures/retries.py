"""Which runs a success makes up for: itself, and those that it was launched to repeat. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Relative:
    """One of the runs that are retries of each other.

    Attributes:
        retry_of: the run that it repeats, None for the first.
        succeeded_at: the position at which it succeeded, None where it has not.
    """

    id: UUID
    retry_of: UUID | None
    succeeded_at: int | None


def made_up_for(run_id: UUID, family: Sequence[Relative]) -> list[UUID]:
    """Return the run and those before it whose failures its success makes up for.

    Where another retry of one of them has succeeded before, that has been done.
    """
    by_id = {one.id: one for one in family}
    success = by_id.get(run_id)
    if success is None:
        return []
    recovered: list[UUID] = []
    one: Relative | None = success
    while one is not None and one.id not in recovered:
        if _was_made_up_for(one.id, success, family):
            break
        recovered.append(one.id)
        one = _repeated_by(one, by_id)
    return recovered


def _repeated_by(one: Relative, by_id: Mapping[UUID, Relative]) -> Relative | None:
    """Return the run that a run is a retry of, None where it is of none that is known."""
    if one.retry_of is None:
        return None
    return by_id.get(one.retry_of)


def _was_made_up_for(
    run_id: UUID, success: Relative, family: Sequence[Relative]
) -> bool:
    """Return whether the run or one of its retries has succeeded before this success."""
    descendants = {run_id}
    for one in _in_order(family):
        if one.retry_of in descendants:
            descendants.add(one.id)
    for one in family:
        is_another = one.id in descendants and one.id != success.id
        if is_another and _is_before(one, success):
            return True
    return False


def _is_before(one: Relative, success: Relative) -> bool:
    """Return whether a run has succeeded, and before another one did."""
    if one.succeeded_at is None or success.succeeded_at is None:
        return False
    return one.succeeded_at < success.succeeded_at


def _in_order(family: Sequence[Relative]) -> list[Relative]:
    """Return the runs, each after the one that it repeats."""
    ordered: list[Relative] = []
    known: set[UUID | None] = {None}
    left = list(family)
    while left:
        ready = [one for one in left if one.retry_of in known]
        if not ready:
            return ordered + left  # The first of them is not known any more.
        ordered += ready
        known.update(one.id for one in ready)
        left = [one for one in left if one.id not in known]
    return ordered
