"""`apphub-jobs dev`: handlers are replaced while their files are written, and runs go on."""

from pathlib import Path

import httpx
import pytest

from tests.e2e.support import launch
from tests.e2e.terminals import at_terminal
from tests.support.processes import eventually, wait_for_run

JOB = '''\
from pathlib import Path
from time import sleep

from apphub_jobs import job


@job("tell"{options})
def tell(gate: str = "") -> str:
    """Tell which text of this file runs."""
    print("telling")
    if gate:
        Path(gate).with_suffix(".reached").touch()
        while not Path(gate).exists():
            sleep(0.02)
    return "{text}"
'''


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_edited_is_in_use_at_once_and_what_runs_goes_on(
    tmp_path: Path, database_url: str
) -> None:
    file = tmp_path / "example.py"
    gate = tmp_path / "gate"

    def write(text: str, options: str = "") -> None:
        file.write_text(JOB.format(text=text, options=options))

    write("first")
    data_dir = tmp_path / "data"
    with at_terminal(
        *("dev", "example.py", "--port", "0", "--data-dir", str(data_dir)),
        directory=tmp_path,
        APPHUB_DATABASE_URL=database_url,
    ) as terminal:
        terminal.wait_for("ready http://")
        url = "http" + terminal.text.partition("ready http")[2].split()[0]
        for part in ("tell", "new", "keys: r launches", "example", str(data_dir)):
            terminal.wait_for(part)
        with httpx.Client(base_url=url, timeout=90) as client:
            running = launch(client, "tell", parameters={"gate": str(gate)})
            reached = gate.with_suffix(".reached")
            eventually(reached.exists, 60, what="the run being under way")

            write("second", ', timeout="30s"')
            terminal.wait_for("changed: example.py")
            terminal.wait_for("the new handlers are in use")
            terminal.wait_for("version 1 -> 2")
            terminal.wait_for("timeoutMs: none -> 30000")
            # The definition is registered after the handlers are there.
            second = wait_for_run(client, launch(client, "tell"), timeout_s=90)
            assert second["result"] == "second"
            gate.touch()
            assert wait_for_run(client, running, timeout_s=90)["result"] == "first"

            file.write_text("def tell(:\n")
            terminal.wait_for("SyntaxError")
            terminal.wait_for("until then the previous handlers stay")
            again = wait_for_run(client, launch(client, "tell"), timeout_s=90)
            assert again["result"] == "second"

            write("third", ', timeout="30s"')
            terminal.wait_for("the new handlers are in use", times=2)
            assert "version 2 ->" not in terminal.text
            third = wait_for_run(client, launch(client, "tell"), timeout_s=90)
            assert third["result"] == "third"

            terminal.press("?")
            terminal.wait_for("keys: r launches", times=2)
            terminal.press("o")
            terminal.wait_for("the output of runs is shown")
            terminal.press("r")
            terminal.wait_for("tell | ")
            runs = client.get("/jobs/tell/runs").json()["data"]
            assert len(runs) == 5
        terminal.press("\x03")
        terminal.wait_for("stopping: ")
        assert terminal.popen.wait(60) == 0


def test_a_file_that_cannot_be_imported_yet_may_be_mended(
    tmp_path: Path, database_url: str
) -> None:
    file = tmp_path / "example.py"
    file.write_text("import nothing_of_that_name\n")
    with at_terminal(
        *("dev", "example.py", "--port", "0", "--data-dir", str(tmp_path / "data")),
        directory=tmp_path,
        APPHUB_DATABASE_URL=database_url,
    ) as terminal:
        terminal.wait_for("No module named 'nothing_of_that_name'")
        terminal.wait_for("ready http://")
        file.write_text(JOB.format(text="mended", options=""))
        terminal.wait_for("the new handlers are in use")
        terminal.wait_for("tell")


def test_a_job_that_is_defined_no_more_is_said_to_stay_listed(
    tmp_path: Path, database_url: str
) -> None:
    file = tmp_path / "example.py"
    file.write_text(JOB.format(text="first", options=""))
    with at_terminal(
        *("dev", "example.py", "--port", "0", "--data-dir", str(tmp_path / "data")),
        directory=tmp_path,
        APPHUB_DATABASE_URL=database_url,
    ) as terminal:
        terminal.wait_for("ready http://")
        file.write_text(file.read_text().replace('@job("tell"', '@job("say"'))
        terminal.wait_for("apphub-jobs jobs delete tell")
        assert "tell is no longer defined" in " ".join(terminal.text.split())


def test_the_dashboard_opens_by_itself_and_at_a_key(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "example.py").write_text(JOB.format(text="shown", options=""))
    opened_urls = tmp_path / "shown"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened_urls}\n')
    browser.chmod(0o755)
    with at_terminal(
        *("dev", "example.py", "--port", "0", "--data-dir", str(tmp_path / "data")),
        directory=tmp_path,
        APPHUB_DATABASE_URL=database_url,
        BROWSER=f"{browser} %s",
    ) as terminal:
        terminal.wait_for("ready http://")
        url = "http" + terminal.text.partition("ready http")[2].split()[0]
        eventually(opened_urls.exists, 60, what="the dashboard being opened")
        terminal.press("d")
        terminal.wait_for(f"the dashboard is at {url}")
        expected = [url, url]
        eventually(lambda: opened_urls.read_text().split() == expected, 60, what="it once more")
