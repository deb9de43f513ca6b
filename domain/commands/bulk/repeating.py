"""An ended run launched anew: by itself, or as one of many."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.commands.application import LogApplication
from domain.commands.uniqueness import Place, in_place, place_for, slot_of
from domain.errors import ConflictError
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import new_run, relaunch, repeated_personal
from domain.jobs.run import JobRun
from domain.jobs.run_values import FINAL
from domain.json_values import JsonObject
from domain.schema.deciding import decided


@dataclass(frozen=True)
class Repeated:
    """A new run, not yet appended.

    Attributes:
        expects: as in `domain.ports.Unit`.
        personal: likewise.
        place: what must be so besides, where runs of its job are unique.
    """

    run: JobRun
    expects: Mapping[UUID, int]
    personal: Mapping[str, str | UUID]
    place: Place

    def stored(self, application: LogApplication) -> list[StoredEvent]:
        """Return its events, and those of the run that gives way to it, encoded."""
        replaced = application.stored_events(self.place.replaced)
        return in_place(application.stored_events([self.run]), replaced)


async def repeated(  # noqa: PLR0913 - what an order says, and of what
    application: LogApplication,
    old: JobRun,
    definition: JobDefinition,
    by: str,
    patch: JsonObject | None = None,
    new_id: UUID | None = None,
) -> Repeated:
    """Return a run that repeats an ended one, as the job is defined today.

    Args:
        application: where definitions come from.
        old: what is repeated.
        definition: of its job.
        by: who requests it.
        patch: parameters that are others than those of the old run.
        new_id: of the new run; None for one that nobody has.

    Raises:
        ConflictError: `run_not_ended`; `run_erased`, personal data among its parameters are gone;
            `parameter_is_personal`, as `repeated_personal` says.
        RunIsThereError: an older run is kept, as runs of the job are unique.
        ValueTakenError: an older run has moved on just now.
        InvalidInputError: the job's schema does not allow the parameters.
    """
    if old.status not in FINAL:
        raise ConflictError("run_not_ended", f"job run is still {old.status}")
    if old.erased:
        erased = ", ".join(old.erased)
        message = f"personal data among its parameters have been erased: {erased}"
        raise ConflictError("run_erased", message)
    pinned = await application.pinned_spec(old.definition_id, old.definition_version)
    launch = relaunch(pinned, old)
    if patch:
        launch = replace(launch, parameters={**launch.parameters, **patch})
    new_id = new_id or application.new_id()
    now = application.clock()
    run = await decided(lambda: new_run(definition, launch, new_id, by, now))
    personal = repeated_personal(definition, old, run)
    slot = slot_of(definition, launch)
    key_ids = map(UUID, old.personal)
    # Nor may the job be deleted meanwhile.
    decided_on = {definition.id: definition.version}
    return Repeated(
        run,
        expects={**dict.fromkeys(key_ids, 0), **decided_on},
        personal=personal,
        place=await place_for(application, definition, slot, new_id),
    )
