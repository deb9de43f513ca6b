"""Tests are dealt out to parallel workers by folders, and none is lost."""

from collections import Counter
from itertools import groupby

from tests.support.dealing import SMALL, Folder, dealt

WORKERS = 4

TESTS: list[Folder] = [
    *[("e2e", "dashboard")] * 90,
    *[("e2e", "runs")] * 70,
    *[("integration", "claims")] * 200,
    *[("integration", "http")] * 300,
    *[("e2e", "runs")] * 3,
    *[("unit", "domain")] * 1_500,
]


def test_each_worker_begins_with_whole_folders_and_ends_with_small_tests() -> None:
    order = dealt(TESTS, WORKERS)
    assert sorted(order) == [*range(len(TESTS))]
    folders = [folder for folder, _ in groupby(TESTS[number] for number in order)]
    counts = Counter(folders)
    assert counts.pop(("unit", "domain")) == WORKERS
    assert set(counts.values()) == {1}
    size = len(TESTS) // WORKERS
    for last in range(size - 1, len(TESTS), size):
        assert TESTS[order[last]][0] == SMALL


def test_a_few_tests_are_dealt_out_as_well() -> None:
    for tests in ([], TESTS[:1], [("model", "test_model.py"), ("unit", "domain")]):
        assert sorted(dealt(tests, WORKERS)) == [*range(len(tests))]
