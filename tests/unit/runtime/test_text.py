"""Words of messages for people."""

import pytest

from runtime.text import in_words


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (3_600_000, "1 hour"),
        (5_400_000, "90 minutes"),
        (172_800_000, "2 days"),
        (10_000, "10 seconds"),
        (1_500, "1500 ms"),
    ],
)
def test_a_duration_has_the_largest_unit_that_is_whole(ms: int, words: str) -> None:
    assert in_words(ms) == words
