"""What the writer tells and asks of the log's continuity (`eventlog.database.continuity`)."""

from collections.abc import Iterable
from hashlib import sha256

from eventsourcing.persistence import StoredEvent

from domain.errors import LogUnavailableError
from domain.ports import Saved
from eventlog.append.batch import Request
from eventlog.append.plan import key_of
from eventlog.database.continuity import Continuity


def refuse_outdated(requests: Iterable[Request], continuity: Continuity) -> None:
    """Refuse what was decided on a log that is no more.

    Raises:
        LogUnavailableError: there is such a request; nothing was written.
    """
    if any(request.breaks != continuity.breaks for request in requests):
        raise LogUnavailableError("the log went back: decide anew")


def note_last(requests: Iterable[Request], continuity: Continuity) -> None:
    """Remember the last event of a batch that is committed."""
    last: tuple[int, StoredEvent] | None = None
    for request in requests:
        if not isinstance(request.outcome, Saved) or not request.appended:
            continue
        position = request.outcome.positions[-1]
        if last is None or position > last[0]:
            last = (position, request.unit.events[-1])
    if last is not None:
        position, event = last
        aggregate_id, version = key_of(event)
        digest = sha256(event.state).digest()
        continuity.note(position, aggregate_id, version, digest)
