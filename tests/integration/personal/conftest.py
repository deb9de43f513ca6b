"""Fixtures of the tests of erasing somebody."""

from collections.abc import AsyncIterator

import pytest

from tests.support.logs import Parts
from tests.support.sample_logs.shops import Shop


@pytest.fixture
async def part(shop: Shop) -> AsyncIterator[Parts]:
    """Give the service's inner parts, which know the shop's key and archive."""
    async with shop.parts() as part:
        yield part
