"""A killed worker leaves its attempts' directories: the next one removes them, and no others."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.e2e.support import launch, register, wait_for_words
from tests.support.processes import eventually, started, wait_for_run


@pytest.mark.slow
@pytest.mark.usefixtures("api")
def test_a_worker_removes_what_killed_ones_left_and_nothing_of_a_frozen_one(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    common = (
        "--data-dir",
        str(tmp_path / "data"),
        "--handlers",
        "tests.support.handlers",
        "--lease-s",
        "60",
    )
    arguments = ("worker", *common, "--slots", "1")
    environment = {"APPHUB_DATABASE_URL": database_url, "TMPDIR": str(temporary)}

    def workplaces() -> set[Path]:
        [shared] = temporary.glob("apphub-jobs-*")
        return set(shared.glob("work-*"))

    def running(name: str) -> str:
        register(client, name, "test.wait")
        run_id = launch(client, name)
        wait_for_words(client, run_id, "waiting")
        return run_id

    with started(*arguments, **environment) as doomed:
        doomed.wait_for_line("is ready with", errors=True)
        running("first")
        [left] = workplaces()
        directories = list(left.iterdir())
        assert directories
        (directories[0] / "left").write_text("by an attempt")
        with started(*arguments, **environment) as frozen:
            frozen.wait_for_line("is ready with", errors=True)
            second = running("second")
            [kept] = workplaces() - {left}
            frozen.popen.send_signal(signal.SIGSTOP)
            doomed.popen.kill()
            doomed.popen.wait(90)
            assert left.exists()
            with started(*arguments, **environment) as third:
                eventually(
                    lambda: not left.exists(), what="the killed worker's directory being gone"
                )
                third.wait_for_line(f"removed {left}", errors=True)
                assert list(kept.iterdir())
                [own] = eventually(
                    lambda: workplaces() - {kept}, what="the third worker's own directory"
                )
            assert not own.exists(), "a worker that stops cleans up after itself"
            frozen.popen.send_signal(signal.SIGCONT)
            client.post(f"/job-runs/{second}/cancel").raise_for_status()
            assert wait_for_run(client, second)["status"] == "canceled"
    assert workplaces() == set()
