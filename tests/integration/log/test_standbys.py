"""A standby that lags is neither asked whether a commit is in the log, nor taken for a log."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.embedded import EmbeddedPostgres
from domain.jobs.launching import Launch
from eventlog.append.writer import WriteTimeouts
from migrations import runner
from tests.support.logs import TESTER, parts, query, registered
from tests.support.wires.proxy import Proxy

TIMEOUTS = WriteTimeouts(settle_s=90)


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    server = EmbeddedPostgres(directory)
    url = server.start()
    try:
        yield url
    finally:
        server.stop()


def copy_as_standby(primary: Path, standby: Path) -> None:
    """Copy a stopped server's files to a standby that gets nothing of what comes later."""
    subprocess.run(["cp", "-a", primary, standby], check=True)
    (standby / "postgres" / "data" / "standby.signal").touch()
    # Where the path of a socket would be too long, both would have the primary's directory for it.
    (standby / "postgres" / "run-elsewhere").unlink(missing_ok=True)


async def test_a_commit_without_an_answer_is_looked_up_on_the_primary_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if os.environ.get("APPHUB_TEST_DATABASE_URL"):
        pytest.skip("the server is not ours to be copied")
    primary, standby = tmp_path / "primary", tmp_path / "standby"
    with serving(primary) as url:
        runner.upgrade(url)
        async with parts(url) as part:
            slug = await registered(part.jobs)
    copy_as_standby(primary, standby)
    with serving(primary) as url, serving(standby) as standby_url:
        async with Proxy(url) as proxy, parts(url, writer_url=proxy.url, timeouts=TIMEOUTS) as part:
            # The first launch prepares the statements; the second one counts the messages.
            await part.jobs.launch(slug, Launch(), TESTER)
            proxy.cut_at(10_000, "after")
            await part.jobs.launch(slug, Launch(), TESTER)
            cut = proxy.cut_at(proxy.messages, "after")
            launching = asyncio.create_task(part.jobs.launch(slug, Launch(), TESTER))
            while not cut.happened:
                await asyncio.sleep(0)
            proxy.lead_to(standby_url)
            while "is a standby" not in caplog.text and not launching.done():
                await asyncio.sleep(0.01)
            proxy.lead_to(url)
            launched = await launching
            assert part.writer.database.continuity.breaks == 0
        found = "SELECT count(*), count(*) FILTER (WHERE id = %s) FROM job_runs"
        assert query(url, found, launched.run_id) == [(3, 1)]
