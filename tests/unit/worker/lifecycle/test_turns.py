"""Which of several workers claims first."""

from collections import Counter

from worker.claiming import count_workers_before

WORKERS = [f"worker-{number}" for number in range(8)]


def _others(worker_id: str) -> list[str]:
    return [other for other in WORKERS if other != worker_id]


def test_each_worker_has_a_count_workers_before_its_own_at_each_position() -> None:
    for position in range(100):
        turns = [count_workers_before(one, _others(one), position) for one in WORKERS]
        assert sorted(turns) == list(range(8))


def test_nobody_is_first_much_more_often_than_others() -> None:
    first = Counter(
        one
        for position in range(4_000)
        for one in WORKERS
        if count_workers_before(one, _others(one), position) == 0
    )
    assert set(first) == set(WORKERS)
    assert max(first.values()) < 2 * min(first.values())


def test_who_is_alone_need_not_wait() -> None:
    assert count_workers_before("alone", [], 7) == 0
