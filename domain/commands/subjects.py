"""Erasing a subject: its key is destroyed, so the log stays as it is but cannot be decrypted."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.commands.application import LogApplication
from domain.errors import ConflictError, NotFoundError
from domain.personal import Subject
from domain.ports import Locked, Origin, Row
from domain.schedules.schedule import Schedule

NAMED_RUNS = 10
"""Runs that a refusal names, at most."""


@dataclass(frozen=True)
class Erasure:
    """A completed erasure.

    Attributes:
        position: of its event in the log.
        row: the row of `erased_subjects`.
    """

    position: int
    row: Row


class Subjects:
    """The commands of subjects."""

    def __init__(self, application: LogApplication) -> None:
        self._application = application

    async def erase(self, subject: str, reason: str | None, origin: Origin) -> Erasure:
        """Destroy the subject's key, and rewrite the rows that hold its data.

        Its values are removed from schedules, too, if their job has marked them since. All of this
        is one transaction with the event.

        Raises:
            NotFoundError: `subject_not_found`, there are no data of this subject; they may have
                been erased before.
            ConflictError: `subject_has_unfinished_runs`, which need its data; or
                `subject_is_scheduled`, by more schedules than can be changed at once.
            SubjectKeysUnavailableError: the name cannot be looked up without the master key.
        """
        erased: list[UUID] = []

        async def decide(locked: Locked) -> Sequence[Aggregate]:
            key_id = await locked.subject_key(subject)
            schedules = await self._emptied_schedules(subject, locked)
            runs = 0
            if key_id is not None:
                unfinished = await locked.unfinished_runs_of(key_id)
                _refuse_unfinished(unfinished)
                runs = await locked.erase_subject(key_id)
            elif schedules:
                # The values were never encrypted: only the event needs an id.
                key_id = self._application.new_id()
            else:
                raise NotFoundError(
                    "subject_not_found", "no personal data of this subject are kept"
                )
            erased[:] = [key_id]
            return [Subject.erase(key_id, reason, runs, locked.now), *schedules]

        save = partial(self._application.save_under_lock, decide, origin)
        saved = await self._application.retry_with_reads(save)
        position = saved.positions[0]
        [key_id] = erased
        return Erasure(position, saved.rows[key_id])

    async def _emptied_schedules(self, subject: str, locked: Locked) -> list[Schedule]:
        """Return the schedules that hold the subject's values, with these removed."""
        names = await locked.schedules_of_subject(subject)
        if not names:
            return []
        loaded = await self._application.load(Schedule, names, locked)
        missing = names.keys() - loaded.keys()
        if missing:
            self._application.quarantine.check(missing)
            message = "its schedules are too large to be changed at once; change them first"
            raise ConflictError("subject_is_scheduled", message)
        for schedule_id, schedule in loaded.items():
            schedule.erase(names[schedule_id], locked.now)
        return list(loaded.values())


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
