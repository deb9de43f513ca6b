"""What is remembered of unreadable aggregates, and how often something is tried without them."""

from uuid import UUID, uuid4

import pytest

from domain.errors import QuarantinedError
from domain.quarantine import REASON_CHARACTERS, Quarantine


def test_a_reason_that_quotes_a_large_event_is_cut() -> None:
    quarantine = Quarantine()
    run_id = uuid4()
    quarantine.add(run_id, "x" * 1_000_000)
    with pytest.raises(QuarantinedError) as refused:
        quarantine.check([run_id])
    assert len(str(refused.value)) < REASON_CHARACTERS + 200


def test_the_oldest_are_forgotten_where_there_are_very_many() -> None:
    quarantine = Quarantine(max_size=3)
    for number in range(4):
        quarantine.add(UUID(int=number), "newer")
    assert len(quarantine.ids) == 3
    assert UUID(int=0) not in quarantine
    assert UUID(int=3) in quarantine
