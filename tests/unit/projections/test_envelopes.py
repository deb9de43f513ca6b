"""Events as they are shown, also those that this version cannot read."""

from uuid import UUID

import orjson
import pytest

from projections.envelope import EventRow, to_envelope

RECORDED_AT = "2026-11-24T12:00:00.000Z"


def _row(**fields: str) -> EventRow:
    """Return the row of an event of a kind that nobody knows."""
    return {
        "originator_id": str(UUID(int=1)),
        "originator_version": 1,
        "notification_id": 7,
        "topic": "moon.landed",
        "state": orjson.dumps(fields),
        "recorded_at": RECORDED_AT,
        "actor": "system",
        "correlation_id": None,
        "causation_id": None,
    }


def test_an_unknown_event_is_shown_as_it_is_stored() -> None:
    envelope = to_envelope(_row(timestamp="2026-11-24T11:00:00.000Z", crew="two"))
    assert (envelope.at, envelope.data) == ("2026-11-24T11:00:00.000Z", {"crew": "two"})
    assert envelope.unreadable == "moon.landed is unknown to this version"


@pytest.mark.parametrize("timestamp", ["soon", "2026-11-24", "0001-01-01T00:00:00+05:00"])
def test_what_is_no_time_is_shown_among_its_data(timestamp: str) -> None:
    envelope = to_envelope(_row(timestamp=timestamp))
    assert (envelope.at, envelope.data) == (RECORDED_AT, {"timestamp": timestamp})
