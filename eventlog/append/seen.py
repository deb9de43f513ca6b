"""What the writer tells and asks of the log's continuity (`eventlog.database.continuity`)."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from domain.errors import LogUnavailableError
from domain.ports import Saved
from eventlog.append.batch import Request, in_order
from eventlog.append.plan import key_of
from eventlog.database.continuity import Continuity


def refuse_outdated(requests: Iterable[Request], continuity: Continuity) -> None:
    """Refuse what was decided on a log that is no more.

    Raises:
        LogUnavailableError: there is such a request; nothing was written.
    """
    if any(request.breaks != continuity.breaks for request in requests):
        raise LogUnavailableError("the log went back: decide anew")


def note_last(requests: Sequence[Request], continuity: Continuity) -> None:
    """Remember the last event of a batch that is committed."""
    for request in reversed(in_order(requests)):
        if not isinstance(request.outcome, Saved) or not request.appended:
            continue
        event = request.unit.events[-1]
        aggregate_id, version = key_of(event)
        digest = sha256(event.state).digest()
        continuity.note(request.outcome.positions[-1], aggregate_id, version, digest)
        return
