"""Erasing a subject: the one command that takes something away, and yet leaves the log as it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.commands.application import LogApplication
from domain.errors import ConflictError, NotFoundError
from domain.personal.subject import Subject
from domain.ports import Locked, Origin, Row

NAMED_RUNS = 10
"""Runs that a refusal names."""


@dataclass(frozen=True)
class Erasure:
    """What an erasure did.

    Attributes:
        position: its event's place in the log.
        row: the row of `erased_subjects`.
    """

    position: int
    row: Row


class Subjects:
    """What may be done to subjects."""

    def __init__(self, application: LogApplication) -> None:
        self._application = application

    async def erase(self, subject: str, reason: str | None, origin: Origin) -> Erasure:
        """Destroy the subject's key, and rewrite the rows that hold its data.

        Both happen in the transaction of the event.

        Raises:
            NotFoundError: `subject_not_found`, nothing is kept under this name; it may have been
                erased before.
            ConflictError: `subject_has_unfinished_runs`, which need its data.
            SubjectKeysUnavailableError: the name cannot be looked up without the master key.
        """
        erased: list[UUID] = []

        async def decide(locked: Locked) -> Sequence[Aggregate]:
            key_id = await locked.subject_key(subject)
            if key_id is None:
                raise NotFoundError(
                    "subject_not_found", "no personal data of this subject are kept"
                )
            unfinished = await locked.unfinished_runs_of(key_id)
            _refuse_unfinished(unfinished)
            erased[:] = [key_id]
            runs = await locked.erase_subject(key_id)
            return [Subject.erase(key_id, reason, runs, locked.now)]

        saved = await self._application.save_under_lock(decide, origin)
        [position] = saved.positions
        [key_id] = erased
        return Erasure(position, saved.rows[key_id])


def _refuse_unfinished(run_ids: Sequence[UUID]) -> None:
    if not run_ids:
        return
    first = run_ids[:NAMED_RUNS]
    named = ", ".join(map(str, first))
    more = len(run_ids) - len(first)
    if more:
        named += f" and {more} more"
    message = f"runs of this subject are pending or running; cancel them first: {named}"
    raise ConflictError("subject_has_unfinished_runs", message)
