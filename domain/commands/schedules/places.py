"""Places of the runs that schedules launch, where their jobs want few alike."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from domain.commands.application import LogApplication
from domain.commands.schedules.change import Change
from domain.commands.uniqueness import check_pending
from domain.errors import QuarantinedError
from domain.identifiers import Slot
from domain.jobs.run import JobRun


async def look_for_places(
    application: LogApplication, changes: Iterable[Change]
) -> None:
    """Note what the next run of each needs to itself, and who has that.

    What the runs say must be known (`Change.fields`). All are asked for at once.
    """
    wanting: list[tuple[Change, Slot]] = []
    for change in changes:
        change.slot = _slot_of(change)
        if change.slot is not None:
            wanting.append((change, change.slot))
    if not wanting:
        return
    slots = {slot for _, slot in wanting}
    holders = await application.log_port.holders_of(slots)
    giving_way: list[Change] = []
    for change, slot in wanting:
        if slot not in holders:
            continue
        change.holder, is_pending = holders[slot]
        change.is_kept = _is_kept_by(change, is_pending=is_pending)
        if not change.is_kept:
            giving_way.append(change)
    await _read_holders(application, giving_way)


def check_place(change: Change) -> None:
    """Raise ValueTakenError if the run that is to give way to the next one has moved on since."""
    if change.holder is not None and not change.is_kept:
        check_pending(change.runs[change.holder])


def _slot_of(change: Change) -> Slot | None:
    definition = change.definition
    if definition is None or definition.spec.uniqueness is None:
        return None
    value = definition.spec.uniqueness.value(change.fields["parameters"])
    return Slot(definition.id, value)


def _is_kept_by(change: Change, *, is_pending: bool) -> bool:
    """Return whether the run that has the slot keeps it."""
    definition = change.definition
    if definition is None or definition.spec.uniqueness is None:
        return False
    return definition.spec.uniqueness.on_conflict == "keep" or not is_pending


async def _read_holders(application: LogApplication, changes: Sequence[Change]) -> None:
    """Read the runs that are to give way, together as far as they may be."""
    unread: set[UUID] = set()
    for change in changes:
        if change.holder is not None and change.holder not in change.runs:
            unread.add(change.holder)
    found: dict[UUID, JobRun] = {}
    if unread:
        found = await application.load(JobRun, unread)
    for change in changes:
        holder_id = change.holder
        if holder_id is None or holder_id in change.runs:
            continue
        # Each has a run of its own to change, should several want the same place.
        holder = found.pop(holder_id, None)
        try:
            application.quarantine.check([holder_id])
            change.runs[holder_id] = holder or await application.run(holder_id)
        except QuarantinedError:
            # What cannot be read cannot give way. The schedule itself can be read.
            change.is_kept = True
