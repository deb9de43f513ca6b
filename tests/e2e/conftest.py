"""At the end of every end-to-end test its log is held against the promises of the state machine."""

from collections.abc import Iterator

import pytest

from tests.support.sample_logs import promises


@pytest.fixture(autouse=True)
def _promises_are_kept(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check the log of the test's database once all processes have ended."""
    spoilt = request.node.get_closest_marker("spoils_its_log") is not None
    if spoilt or "database_url" not in request.fixturenames:
        yield
        return
    url = request.getfixturevalue("database_url")
    archive = request.getfixturevalue("tmp_path") / "data" / "archive"
    yield
    promises.kept(url, archive=archive)
