"""The README, typed as it stands: its first screen pasted at once, and the requests one by one.

`make installed` types it with what it has installed outside of the checkout.
"""

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests import ROOT
from tests.support.installed import COMMAND, PROJECT, PYTHON
from tests.support.processes import Process, without_settings

README = (ROOT / "README.md").read_text()


def _blocks(heading: str, language: str) -> list[str]:
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_first_screen_works_when_it_is_pasted_at_once(tmp_path: Path) -> None:
    [pasted] = _blocks("Your own job, in one minute", "sh")
    # On a busy machine commands take seconds: the run must not end before its worker is killed.
    assert "name=Grace --no-wait" in pasted
    pasted = pasted.replace("name=Grace", "name=Grace steps=40")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apphub-jobs").symlink_to(COMMAND)
    if PROJECT is not None:
        (tmp_path / "pyproject.toml").touch()
        (tmp_path / ".venv").symlink_to(PROJECT)
    own = {"APPHUB_DATA_DIR": str(tmp_path / "data"), "APPHUB_PORT": "0"}
    shell = subprocess.Popen(
        ["bash", "-c", f"{pasted}\nwait"],
        cwd=tmp_path,
        env={**without_settings(), **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, errors = shell.communicate(timeout=280)
    finally:
        with suppress(ProcessLookupError):  # It leaves nobody behind.
            os.killpg(shell.pid, signal.SIGTERM)
    assert "Hello, Ada\n" in out
    assert "hello succeeded in attempt 2 of 3" in re.sub(r" after [\d.]+ m?s", "", errors)
    assert "Hello, Grace\n" in out
    assert "the worker was killed by SIGKILL; another one starts" in errors
    rows = [line.split() for line in out.splitlines()]
    outcomes = [line[:2] for line in rows if line[:1] in (["1"], ["2"])]
    assert ["1", "lost"] in outcomes
    assert ["2", "succeeded"] in outcomes
    assert "job_run.attempt_lost" in out
    assert errors.rstrip().endswith("stopped")
    assert PROJECT is None or f"of {tmp_path}/.venv (hello)" in errors


MAKEFILE = """\
.venv/.runtime: requirements/runtime.txt pyproject.toml
\tmkdir .venv.new
\tsleep 0.3
\tmkdir -p .venv/bin
\tcp /bin/echo .venv/bin/apphub-jobs
\tcat requirements/runtime.txt >> .venv/installed
\trmdir .venv.new
\ttouch $@
"""
"""It fails where two of it run at once, as the real one does."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout whose environment is quickly made."""
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "runtime.txt").write_text("first\n")
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "bin" / "apphub-jobs", tmp_path / "bin")
    return tmp_path


def test_of_several_first_commands_one_makes_the_environment(checkout: Path) -> None:
    started_at_once = [
        subprocess.Popen(
            [checkout / "bin" / "apphub-jobs", number],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in "123"
    ]
    done = [process.communicate(timeout=90) for process in started_at_once]
    assert [output for output, _ in done] == [b"1\n", b"2\n", b"3\n"]
    assert [printed.count(b"installing") for _, printed in done].count(1) == 1


def test_the_environment_is_renewed_where_its_requirements_have_changed(checkout: Path) -> None:
    outputs = [_typed(checkout), _typed(checkout)]
    requirements = checkout / "requirements" / "runtime.txt"
    requirements.write_text("second\n")
    made = (checkout / ".venv" / ".runtime").stat().st_mtime
    os.utime(requirements, (made + 1, made + 1))
    outputs.append(_typed(checkout))
    assert ["installing" in outputs[0], outputs[1], "renewing" in outputs[2]] == [True, "", True]
    installed = (checkout / ".venv" / "installed").read_text()
    assert installed == "first\nsecond\n"


def test_an_environment_that_cannot_be_made_says_so(checkout: Path) -> None:
    (checkout / "Makefile").write_text(".venv/.runtime:\n\tfalse\n")
    done = subprocess.run(
        [checkout / "bin" / "apphub-jobs"], capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 1
    assert "could not be made" in done.stderr


def _typed(checkout: Path) -> str:
    """Type the command; return what it says on standard error."""
    return subprocess.run(
        [checkout / "bin" / "apphub-jobs", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=90,
    ).stderr


def _steps() -> list[tuple[str, str]]:
    """Return the commands under the second heading, each with the output that the README shows."""
    text = "\n".join(_blocks("By HTTP", "console"))
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def test_the_requests_print_what_the_readme_shows(tmp_path: Path) -> None:
    steps = _steps()
    assert len(steps) == 6
    command = ("up", "--port", "0", "--data-dir", str(tmp_path / "data"))
    process = Process(command, {}, "apphub_jobs", PYTHON, directory=tmp_path)
    try:
        address = process.url().removeprefix("http://")
        for typed, expected in steps:
            done = subprocess.run(
                ["bash", "-c", typed.replace("localhost:4000", address)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
                timeout=90,
            )
            assert done.stdout.strip() == expected.strip(), typed
    finally:
        process.stop()
