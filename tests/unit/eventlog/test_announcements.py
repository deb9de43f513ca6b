"""What announcements of appends tell those who wait."""

from uuid import UUID

import pytest

from eventlog.database.connection import Database
from eventlog.database.listener import NOTHING, Listener, Told, told_by
from eventlog.database.sql import PENDING

ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ("17", NOTHING),
        ("17 3 pending", Told(3, 17)),
        (f"17 1 {ONE} pending", Told(1, 17, ONE)),
        ("17 1 pending", Told(1, 17)),  # By another version.
        ("17 pending", Told(1, 17)),  # By another version.
        (PENDING, Told(1, 0)),  # By whoever has moved the clock.
        ("probe 1b4e28ba-2fa1-11d2-883f-0016d3cca427", NOTHING),
        ("", NOTHING),
    ],
)
def test_an_announcement_tells_how_many_wait(payload: str, told: Told) -> None:
    assert told_by(payload) == told


async def test_who_waits_for_pending_runs_sleeps_through_everything_else() -> None:
    signal = Listener(Database("")).signal()
    signal.tell(NOTHING)
    assert await signal.wait(0.0, only_urgent=True) == NOTHING
    signal.tell(Told(2, 5))
    signal.tell(Told(1, 7))
    signal.tell(NOTHING)
    assert await signal.wait(60.0, only_urgent=True) == Told(3, 7)
    signal.tell(Told(1, 8, ONE))
    assert await signal.wait(60.0, only_urgent=True) == Told(1, 8, ONE)
    signal.tell(Told(1, 8, ONE))
    signal.tell(Told(1, 9, OTHER))
    assert await signal.wait(60.0, only_urgent=True) == Told(2, 9)
    signal.set()
    assert await signal.wait(60.0, only_urgent=True) == NOTHING
    signal.tell(NOTHING)
    assert await signal.wait(60.0) == NOTHING
