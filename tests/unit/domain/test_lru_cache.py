"""What is kept is bounded by its size, not by its number."""

from domain.lru_cache import LruCache


def test_what_was_not_used_for_the_longest_time_makes_room() -> None:
    recent = LruCache[str, int](100)
    for number, key in enumerate("abc"):
        recent.keep(key, number, 30)
    assert recent.get("a") == 0
    recent.keep("d", 3, 30)
    assert [recent.get(key) for key in "abcd"] == [0, None, 2, 3]


def test_the_newest_is_kept_however_big_it_is() -> None:
    recent = LruCache[str, int](100)
    recent.keep("small", 1, 10)
    recent.keep("big", 2, 1_000)
    assert [recent.get(key) for key in ("small", "big")] == [None, 2]
    recent.keep("small", 3, 10)
    assert [recent.get(key) for key in ("small", "big")] == [3, None]


def test_a_value_kept_again_counts_once() -> None:
    recent = LruCache[str, int](100)
    for number in range(10):
        recent.keep("same", number, 60)
    recent.keep("other", 0, 40)
    assert [recent.get(key) for key in ("same", "other")] == [9, 0]
    assert len(recent) == 2
