"""The commands of saved views: save one under a name, and delete it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from eventsourcing.domain import Aggregate

from domain.commands.application import LogApplication
from domain.errors import ConflictError, Issue, refuse
from domain.filters import PARAMETERS
from domain.identifiers import saved_view_id
from domain.personal import MARK
from domain.ports import Locked, Origin, Row
from domain.saved_views import FILTER, MAX_VIEWS, SavedView, ViewContent, check_name, view_not_found


class ViewReads(Protocol):
    """What decisions about views need of the tables."""

    async def personal_among(self, names: Collection[str]) -> Collection[str]:
        """Return the parameters that some job marks as personal, or as naming a subject."""


@dataclass(frozen=True)
class SavedUnderName:
    """A view, and whether its name was free."""

    row: Row
    is_new: bool


class SavedViews:
    """The commands of saved views."""

    def __init__(self, application: LogApplication, reads: ViewReads) -> None:
        self._application = application
        self._reads = reads

    async def save(self, name: str, content: ViewContent, origin: Origin) -> SavedUnderName:
        """Save a view under a name; it replaces a view that has the name.

        Raises:
            InvalidInputError: the name or the filter breaks a rule, or the filter contains values
                of a parameter that is personal data.
            ConflictError: `too_many_views`.
        """
        check_name(name)
        await self._refuse_personal(content.check())
        decided: list[SavedUnderName] = []

        async def decide(locked: Locked) -> Sequence[Aggregate]:
            view_id = saved_view_id(name)
            view = await self._application.find(SavedView, view_id, locked)
            is_new = view is None or view.is_deleted
            if is_new and await locked.count_saved_views() >= MAX_VIEWS:
                message = f"there are {MAX_VIEWS} saved views; delete one first"
                raise ConflictError("too_many_views", message)
            if view is None:
                view = SavedView.save(name, content, origin.actor, locked.now)
            else:
                view.change(content, origin.actor, locked.now)
            decided[:] = [SavedUnderName(view.state, is_new)]
            return [view]

        # Under the lock: no other view can be saved between the query and the event.
        save = partial(self._application.save_under_lock, decide, origin, known_as=[name])
        await self._application.retry_with_reads(save)
        [saved] = decided
        return saved

    async def delete(self, name: str, origin: Origin) -> Row:
        """Delete a view; return its last state. Raises NotFoundError `view_not_found`."""
        decided: list[Row] = []

        async def decide() -> Sequence[Aggregate]:
            view = await self._application.find(SavedView, saved_view_id(name))
            if view is None:
                raise view_not_found()
            view.delete(self._application.clock())
            decided[:] = [view.state]
            return [view]

        await self._application.decide_and_save(decide, origin)
        [row] = decided
        return row

    async def _refuse_personal(self, parameters: Sequence[str]) -> None:
        """Refuse values that the log would keep unencrypted after their subject was erased."""
        personal = await self._reads.personal_among(parameters)
        message = (
            "is personal data, which would stay in the log for ever;"
            " leave the condition out, or keep the view for yourself"
        )
        issues = [Issue(f"{FILTER}/{PARAMETERS}{name}", message, MARK) for name in sorted(personal)]
        refuse(issues)
