"""What announcements of appends tell those who wait."""

from uuid import UUID

import pytest

from eventlog.database.connection import Database
from eventlog.database.listener import NOTHING, Announcement, Listener, parse_announcement
from eventlog.database.sql import PENDING

ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("payload", "announcement"),
    [
        ("17", NOTHING),
        ("17 3 pending", Announcement(3, 17)),
        (f"17 1 {ONE} pending", Announcement(1, 17, ONE)),
        ("17 1 pending", Announcement(1, 17)),  # By another version.
        ("17 pending", Announcement(1, 17)),  # By another version.
        (PENDING, Announcement(1, 0)),  # By whoever has moved the clock.
        ("probe 1b4e28ba-2fa1-11d2-883f-0016d3cca427", NOTHING),
        ("", NOTHING),
    ],
)
def test_an_announcement_tells_how_many_wait(payload: str, announcement: Announcement) -> None:
    assert parse_announcement(payload) == announcement


async def test_who_waits_for_pending_runs_sleeps_through_everything_else() -> None:
    signal = Listener(Database("")).signal()
    signal.notify(NOTHING)
    assert await signal.wait(0.0, only_urgent=True) == NOTHING
    signal.notify(Announcement(2, 5))
    signal.notify(Announcement(1, 7))
    signal.notify(NOTHING)
    assert await signal.wait(60.0, only_urgent=True) == Announcement(3, 7)
    signal.notify(Announcement(1, 8, ONE))
    assert await signal.wait(60.0, only_urgent=True) == Announcement(1, 8, ONE)
    signal.notify(Announcement(1, 8, ONE))
    signal.notify(Announcement(1, 9, OTHER))
    assert await signal.wait(60.0, only_urgent=True) == Announcement(2, 9)
    signal.set()
    assert await signal.wait(60.0, only_urgent=True) == NOTHING
    signal.notify(NOTHING)
    assert await signal.wait(60.0) == NOTHING
