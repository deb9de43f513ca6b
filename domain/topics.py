"""Which kinds of events this version of the program knows.

Nothing that stands in a log is resolved in any other way: a topic that the program does not know is
never looked for among Python's modules.
"""

from catalog.build import Build
from catalog.repository import Repository
from domain.bulk import BulkOperation
from domain.errors import UnreadableEventError
from domain.failures.group import FailureGroup, FailureWatch
from domain.jobs.definition import JobDefinition
from domain.jobs.run import JobRun
from domain.log_archive import LogArchive
from domain.personal import Subject
from domain.schedules.schedule import Schedule

AGGREGATES: dict[str, type] = {
    aggregate.TOPIC: aggregate
    for aggregate in (
        JobDefinition,
        JobRun,
        Schedule,
        FailureGroup,
        FailureWatch,
        BulkOperation,
        Repository,
        Build,
        LogArchive,
        Subject,
    )
}
"""The aggregates by their topics."""


def _events_by_topic() -> dict[str, type]:
    events: dict[str, type] = {}
    for aggregate in AGGREGATES.values():
        for member in vars(aggregate).values():
            if isinstance(member, type) and "TOPIC" in vars(member):
                events[vars(member)["TOPIC"]] = member
    return events


EVENTS: dict[str, type] = _events_by_topic()
"""The events by their topics."""


def event_class(topic: str) -> type:
    """Return the class of a topic's events.

    Raises:
        UnreadableEventError: this version of the program has none.
    """
    known = EVENTS.get(topic)
    if known is None:
        raise UnreadableEventError(f"{topic} is unknown to this version")
    return known


def class_version(topic: str) -> int:
    """Return the number of the newest shape of a topic's events that this version knows.

    Raises:
        UnreadableEventError: it knows none.
    """
    version: int = getattr(event_class(topic), "class_version", 1)
    return version
