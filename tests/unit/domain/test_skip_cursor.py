"""A scan continues behind what cannot be read, and restarts once that costs little."""

from domain.quarantine import REST_S, SkipCursor


def test_what_cannot_be_read_is_passed_up_to_the_first_that_can() -> None:
    unreadable = {1, 2, 4}
    cursor = SkipCursor[int](unreadable.__contains__)
    assert cursor.after(0) is None
    cursor.scanned([1, 2, 3, 4])
    assert cursor.after(0) == 2
    # A scan counts once.
    assert cursor.after(0) == 2
    cursor.scanned([3, 4])
    assert cursor.after(0) == 2
    cursor.scanned([4, 5])
    assert cursor.after(0) == 4
    cursor.restart()
    assert cursor.after(0) is None


def test_a_scan_restarts_after_a_rest() -> None:
    cursor = SkipCursor[int](lambda _: True)
    cursor.after(0)
    cursor.scanned([1])
    assert cursor.after(0.5) == 1
    assert cursor.after(REST_S) == 1
    assert cursor.after(REST_S + 1) is None


def test_a_clock_that_was_set_back_does_not_prolong_the_rest() -> None:
    cursor = SkipCursor[int](lambda _: True)
    cursor.after(3_600)
    cursor.scanned([1])
    assert cursor.after(3_600) == 1
    assert cursor.after(0) == 1
    assert cursor.after(REST_S + 1) is None


def test_the_longer_the_way_the_longer_the_rest() -> None:
    cursor = SkipCursor[int](lambda _: True)
    for second in range(1_000):
        cursor.after(second)
        cursor.scanned([second])
    assert cursor.after(1_000) == 999
    assert cursor.after(1_000 + 100 * REST_S) == 999
    assert cursor.after(1_000 + 200 * REST_S) is None


def test_there_is_no_rest_while_there_is_more_to_pass() -> None:
    cursor = SkipCursor[int](lambda _: True)
    for hour in range(9):
        cursor.after(hour * 3_600)
        cursor.scanned([hour])
    assert cursor.after(9 * 3_600) == 8
