"""A sealed log, as it was before any edit."""

import pytest

from tests.support.sample_logs.seals import SealedLog, restore


@pytest.fixture
def log(kept_log: SealedLog) -> SealedLog:
    """Return a sealed log as it was before any edit."""
    restore(kept_log)
    return kept_log
