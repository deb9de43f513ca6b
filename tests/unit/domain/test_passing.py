"""A look goes on behind what cannot be read, and begins anew once that costs little."""

from domain.quarantine import REST_S, Passing


def test_what_cannot_be_read_is_passed_up_to_the_first_that_can() -> None:
    unreadable = {1, 2, 4}
    passing = Passing[int](unreadable.__contains__)
    assert passing.after(0) is None
    passing.looked_at([1, 2, 3, 4])
    assert passing.after(0) == 2
    # Nothing is passed by what was looked at before.
    assert passing.after(0) == 2
    passing.looked_at([3, 4])
    assert passing.after(0) == 2
    passing.looked_at([4, 5])
    assert passing.after(0) == 4
    passing.begin_anew()
    assert passing.after(0) is None


def test_all_is_looked_at_anew_after_a_rest() -> None:
    passing = Passing[int](lambda _: True)
    passing.after(0)
    passing.looked_at([1])
    assert passing.after(0.5) == 1
    assert passing.after(REST_S) == 1
    assert passing.after(REST_S + 1) is None


def test_the_longer_the_way_the_longer_the_rest() -> None:
    passing = Passing[int](lambda _: True)
    for second in range(1_000):
        passing.after(second)
        passing.looked_at([second])
    assert passing.after(1_000) == 999
    assert passing.after(1_000 + 100 * REST_S) == 999
    assert passing.after(1_000 + 200 * REST_S) is None


def test_there_is_no_rest_while_there_is_more_to_pass() -> None:
    passing = Passing[int](lambda _: True)
    for hour in range(9):
        passing.after(hour * 3_600)
        passing.looked_at([hour])
    assert passing.after(9 * 3_600) == 8
