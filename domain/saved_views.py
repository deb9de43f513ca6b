"""A saved view: a filter and an order of the list of runs, under a name that everybody sees.

First a view's content (`ViewContent`) and the rules by which it is refused; then the state, the
events and the aggregate (`SavedView`). The aggregate's id is derived from the name, so no two views
have the same name.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import cut_to_ms
from domain.errors import Issue, NotFoundError, refuse
from domain.filters import conditions_of, read
from domain.identifiers import saved_view_id
from domain.state import Changes, Id, PlainEvent, StateEvent, Stateful, Text, Texts, Time

MAX_VIEWS = 500
"""Views that are not deleted, at most: a list shows all of them at once."""

MAX_NAME = 100
"""Characters of a name."""

MAX_FILTER = 4_000
"""Characters of a filter: its conditions with a blank between each two."""

FILTER = "/filter"

_NOT_PRINTED = frozenset({"Cc", "Cs"})
"""Unicode's categories of control characters and of half surrogate pairs."""

_DOT_SEGMENTS = frozenset({".", ".."})
"""Segments of a path that clients remove before they send it."""


@dataclass(frozen=True)
class ViewContent:
    """What a view shows.

    Attributes:
        filter: conditions as texts, such as `status=failed`; none for all runs.
        sort: the order of the list: `created`, `started`, `ended` or `duration`.
    """

    filter: Sequence[str]
    sort: str = "created"

    def check(self) -> Sequence[str]:
        """Return the names of the parameters whose values the filter contains.

        Raises:
            InvalidInputError: names each wrong condition, or the exceeded limit.
        """
        if len(" ".join(self.filter)) > MAX_FILTER:
            message = f"has at most {MAX_FILTER} characters, blanks between conditions included"
            refuse([Issue(FILTER, message, "maxLength")])
        conditions = conditions_of(read(self.filter, FILTER), FILTER)
        return [parameter.name for parameter in conditions.parameters]


def check_name(name: str) -> None:
    """Raise InvalidInputError if a view cannot have this name."""
    problem = _problem_of(name)
    if problem is not None:
        refuse([Issue("/name", *problem)])


def _problem_of(name: str) -> tuple[str, str] | None:
    """Return what is wrong with a name, and the keyword of the rule; None if nothing is."""
    if not name.strip():
        return "must not be blank", "minLength"
    if len(name) > MAX_NAME:
        return f"has at most {MAX_NAME} characters", "maxLength"
    if any(unicodedata.category(character) in _NOT_PRINTED for character in name):
        return "holds a control character; leave it out", "pattern"
    if name != name.strip():
        return "begins or ends with a blank; leave it out", "pattern"
    if name in _DOT_SEGMENTS:
        return "cannot stand in an address; choose another name", "not"
    return None


class ViewState(TypedDict):
    """A view, in the order in which clients see it. `saved_by` saved it last."""

    aggregate_id: ReadOnly[Id]
    name: ReadOnly[Text]
    filter: ReadOnly[Texts]
    sort: ReadOnly[Text]
    saved_by: ReadOnly[Text]
    deleted_at: ReadOnly[Time | None]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]


# The view's events. Their topics and fields are the on-disk format.


class ViewEvent(StateEvent):
    """Base of the view's events."""

    TOPIC = "saved_view.event"


class ViewSaved(ViewEvent, Aggregate.Created):
    """A client saved a view under a new name."""

    TOPIC = "saved_view.saved"
    name: str
    filter: list[str]
    sort: str
    by: str

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {
            "aggregate_id": str(event.aggregate_id),
            "name": event.data["name"],
            "created_at": event.at,
            **_content(event),
        }


class ViewChanged(ViewEvent):
    """A client saved another view under the name, maybe after a deletion."""

    TOPIC = "saved_view.changed"
    filter: list[str]
    sort: str
    by: str

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {**_content(event), "deleted_at": None}


class ViewDeleted(ViewEvent):
    """A client deleted the view; its name can be used again."""

    TOPIC = "saved_view.deleted"

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {"deleted_at": event.at}


def _content(event: PlainEvent) -> Changes:
    data = event.data
    return {"filter": data["filter"], "sort": data["sort"], "saved_by": data["by"]}


class SavedView(Stateful[ViewState], Aggregate):
    """Aggregate of a saved view."""

    TOPIC = "saved_view"
    STATE = ViewState

    Event = ViewEvent
    Saved = ViewSaved
    Changed = ViewChanged
    Deleted = ViewDeleted

    @property
    def public_id(self) -> str:
        return self.state["name"]

    @property
    def is_deleted(self) -> bool:
        return self.state["deleted_at"] is not None

    @classmethod
    def save(cls, name: str, content: ViewContent, by: str, now: datetime) -> Self:
        """Save a view under a new name."""
        return cls._create(
            cls.Saved,
            id=saved_view_id(name),
            timestamp=cut_to_ms(now),
            name=name,
            filter=[*content.filter],
            sort=content.sort,
            by=by,
        )

    def change(self, content: ViewContent, by: str, now: datetime) -> None:
        """Save another view under this name; an equal one changes nothing."""
        is_same = (self.state["filter"], self.state["sort"]) == ([*content.filter], content.sort)
        if is_same and not self.is_deleted:
            return
        self.trigger_event(
            SavedView.Changed,
            timestamp=self._at(now),
            filter=[*content.filter],
            sort=content.sort,
            by=by,
        )

    def delete(self, now: datetime) -> None:
        """Delete it. Raises NotFoundError `view_not_found` if it is deleted already."""
        if self.is_deleted:
            raise view_not_found()
        self.trigger_event(SavedView.Deleted, timestamp=self._at(now))


def view_not_found() -> NotFoundError:
    """Return the error for a name that no view has."""
    return NotFoundError("view_not_found", "no saved view has this name")
