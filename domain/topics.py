"""The kinds of events that this version of the program knows.

Topics are resolved here and nowhere else: no log can name a Python module to be imported.
"""

from eventsourcing.domain import Aggregate

from domain.bulk import BulkOperation
from domain.errors import UnreadableEventError
from domain.failures.group import FailureGroup
from domain.failures.watch import FailureWatch
from domain.jobs.definition import JobDefinition
from domain.jobs.run import JobRun
from domain.log_archive import LogArchive
from domain.personal import Subject
from domain.saved_views import SavedView
from domain.schedules.schedule import Schedule

AGGREGATES: dict[str, type[Aggregate]] = {}
"""The aggregates by their topics."""

EVENTS: dict[str, type] = {}
"""The events by their topics."""


def add(*aggregates: type[Aggregate]) -> None:
    """Add further aggregates and their events to the whole process.

    An aggregate and each of its events have their topic as `TOPIC`.
    """
    for aggregate in aggregates:
        AGGREGATES[vars(aggregate)["TOPIC"]] = aggregate
        for member in vars(aggregate).values():
            if isinstance(member, type) and "TOPIC" in vars(member):
                EVENTS[vars(member)["TOPIC"]] = member


add(
    JobDefinition,
    JobRun,
    Schedule,
    FailureGroup,
    FailureWatch,
    BulkOperation,
    SavedView,
    LogArchive,
    Subject,
)


def event_class(topic: str) -> type:
    """Return the class of a topic's events.

    Raises:
        UnreadableEventError: this version of the program has none.
    """
    event_type = EVENTS.get(topic)
    if event_type is None:
        raise UnreadableEventError(f"{topic} is unknown to this version")
    return event_type


def class_version(topic: str) -> int:
    """Return the number of the newest shape of a topic's events that this version knows.

    Raises:
        UnreadableEventError: it knows none.
    """
    version: int = getattr(event_class(topic), "class_version", 1)
    return version
