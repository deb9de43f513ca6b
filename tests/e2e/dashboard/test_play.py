"""`apphub-jobs demo --play`: its first page, and what it says to try, pasted."""

import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests import ROOT
from tests.support.processes import Process, without_settings

LAST = "Ctrl-C ends it"


@dataclass
class Play:
    """The service, and what its terminal says."""

    process: Process
    temporary: Path

    def under(self, title: str) -> list[str]:
        """Return the lines under a title."""
        lines = iter(self.process.lines)
        next(line for line in lines if line.startswith(f"  {title}"))
        runs = []
        for line in lines:
            if not line.startswith("    "):
                break
            runs.append(line.strip())
        return runs

    def paste(self, title: str) -> str:
        """Paste the commands under a title into a shell; return all that it says."""
        return self.typed("\n".join(self.under(title)))

    def typed(self, commands: str) -> str:
        """Return what commands say in a shell."""
        done = subprocess.run(
            ["bash", "-c", commands],
            env=without_settings(),
            cwd=self.temporary,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=200,
        )
        return done.stdout


@pytest.fixture(scope="module")
def play() -> Iterator[Play]:
    """Run it in a temporary directory whose name is short, as names of sockets must be."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        temporary = Path(name)
        temporary.chmod(0o711)
        process = Process(("demo", "--play"), {"TMPDIR": name})
        try:
            process.wait_for_line(LAST, timeout_s=120)
            yield Play(process, temporary)
            assert process.stop(signal.SIGINT) == 0
        finally:
            process.kill_all()
        assert list(temporary.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_its_first_page_has_something_of_everything(play: Play, browser: Browser) -> None:
    [url] = re.findall("The page: (.*)", "\n".join(play.process.lines))
    reason, waiting, _ = play.under("A run that waits")
    title, group, _ = play.under("6 failures of one cause")
    _, schedule = play.under("A schedule that is faster")
    [past] = play.under("The time slider")
    page = browser.new_page()
    try:
        page.goto(url)
        expect(page.locator(".needs").first).to_contain_text(title)
        page.goto(waiting)
        expect(page.locator(".screen")).to_contain_text(reason.removeprefix("waits: "))
        page.goto(group)
        expect(page.locator(".screen")).to_contain_text(title)
        page.goto(schedule)
        expect(page.locator(".screen")).to_contain_text("skipped")
        page.goto(past)
        expect(page.locator(".past-says")).to_be_visible()
        expect(page.locator(".screen")).not_to_contain_text(title)
    finally:
        page.close()


def _questions() -> list[str]:
    """Return the commands of the README's and the page's questions."""
    commands: list[str] = []
    for name in ("README.md", "docs/questions.md"):
        text = (ROOT / name).read_text()
        commands += re.findall(r"^\| [A-Z][^|]*\? \| `(apphub-jobs .*?)` \|", text, re.MULTILINE)
    return list(dict.fromkeys(commands))


@pytest.mark.slow
@pytest.mark.timeout(540)
def test_the_questions_of_the_documentation_are_answered(play: Play) -> None:
    commands = _questions()
    assert len(commands) == 13
    # The log is not an hour old.
    [position] = re.findall(r"explain \S+ --as-of (\d+)", "\n".join(play.under("3.")))
    script = "\n".join(commands).replace("--as-of 1h", f"--as-of {position}")
    [settings] = play.under("Or ask the README's questions")
    answers = play.typed(f"set -ex\n{settings}\n{script}\necho all of them")
    for part in (
        "job_run.requested",
        ": as promised",
        "the log is what was sealed",
        "6 runs at position",
        "with maxConcurrentRuns 3",
        "skipped",
        "all of them",
    ):
        assert part in answers, answers


@pytest.mark.slow
@pytest.mark.timeout(540)
def test_what_it_says_to_try_works_as_pasted(play: Play) -> None:
    *_, preview = play.under("6 failures of one cause")
    assert play.typed(preview).startswith("6 runs at position")

    assert play.typed(play.under("A run that waits")[-1]).count("waits: ") == 1

    then = play.paste("3.")
    assert then.count("succeeded") == 6
    assert "failed" not in then
    assert "with the same value of customer is under way" in then

    recovered = play.paste("1.")
    assert re.search(r"billing-import succeeded after .* in attempt 2 of 3", recovered)
    assert "job_run.attempt_lost" in recovered

    promises = play.paste("2.")
    assert re.search(r"histories: \d+ events of \d+ runs .*: as promised", promises)

    edits = "\n".join(play.under("4."))
    [run] = re.findall(r"WHERE id = '(.*?)'", edits)
    [position] = re.findall(r"notification_id = (\d+)", edits)
    named = play.paste("4.")
    assert f"job_runs {run}: differs\n    status: expected 'succeeded', found 'failed'" in named
    assert f"position {position}: the event was altered after seal" in named
    assert f"first bad position: {position}" in named
