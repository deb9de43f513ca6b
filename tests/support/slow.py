"""Cases of a test that take long, beside those that do not."""

from typing import Any

import pytest


def slow(*values: object) -> Any:
    """Return a case that `make test` leaves out, and `make test-slow` runs."""
    return pytest.param(*values, marks=pytest.mark.slow)
