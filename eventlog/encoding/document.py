"""A stored event as JSON that people can read, and that leads back to the very bytes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from eventlog.encoding.columns import RawRow

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From here PostgreSQL counts microseconds."""


class UnshowableEventError(ValueError):
    """A stored event holds what no event of this program holds."""


def show_event(row: RawRow) -> dict[str, Any]:
    """Return the event as JSON.

    Raises:
        UnshowableEventError: it holds what no event of this program holds.
    """
    (
        position,
        aggregate_id,
        version,
        topic,
        state,
        recorded_at,
        actor,
        correlation_id,
        causation_id,
    ) = row
    try:
        return {
            "position": _number(position),
            "aggregateId": _id(aggregate_id),
            "version": _number(version),
            "topic": _text(topic),
            "state": _text(state),
            "recordedAt": _time(recorded_at),
            "actor": _text(actor),
            "correlationId": _id(correlation_id),
            "causationId": _id(causation_id),
        }
    except (OverflowError, TypeError, ValueError) as error:
        raise UnshowableEventError(f"the event cannot be shown: {error}") from None


def read_event(document: dict[str, Any]) -> RawRow:
    """Return the columns in binary form.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: it is not an event that `show_event`
        returned.
    """
    since_epoch = datetime.fromisoformat(document["recordedAt"]) - EPOCH
    return (
        _int8(document["position"]),
        UUID(document["aggregateId"]).bytes,
        _int8(document["version"]),
        document["topic"].encode(),
        document["state"].encode(),
        _int8(since_epoch // timedelta(microseconds=1)),
        _text_bytes(document["actor"]),
        _id_bytes(document["correlationId"]),
        _id_bytes(document["causationId"]),
    )


def _text_bytes(text: str | None) -> bytes | None:
    if text is None:
        return None
    return text.encode()


def _id_bytes(text: str | None) -> bytes | None:
    if text is None:
        return None
    return UUID(text).bytes


def _int8(number: int) -> bytes:
    return number.to_bytes(8, "big", signed=True)


def _number(field: bytes | None) -> int:
    if field is None:
        raise TypeError("a number is missing")
    return int.from_bytes(field, "big", signed=True)


def _text(field: bytes | None) -> str | None:
    if field is None:
        return None
    return field.decode()


def _id(field: bytes | None) -> str | None:
    if field is None:
        return None
    return str(UUID(bytes=field))


def _time(field: bytes | None) -> str:
    moment = EPOCH + timedelta(microseconds=_number(field))
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
