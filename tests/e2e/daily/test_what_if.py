"""`jobs what-if`: the command of the documentation, typed on a machine of a service."""

import re
import shlex
from pathlib import Path

from tests import ROOT
from tests.e2e.daily.conftest import Shell
from tests.e2e.daily.test_runs_commands import document

JOB = """\
slug: encode
name: Encode
type: batch
entryPoint: greet
parametersSchema: {}
maxConcurrentRuns: 1
"""

CHAPTER = (ROOT / "docs" / "what-if.md").read_text()


def _example() -> tuple[list[str], list[str]]:
    """Return the words of the command that the chapter shows, and what it prints."""
    [block] = re.findall(r"```console\n(.*?)```", CHAPTER, re.DOTALL)
    command, *lines = block.splitlines()
    return shlex.split(command.removeprefix("$ apphub-jobs ")), lines


def test_the_chapters_command_prints_what_the_chapter_shows(shell: Shell, tmp_path: Path) -> None:
    (shell.directory / "encode.yaml").write_text(JOB)
    assert shell.run("jobs", "apply", "encode.yaml").returncode == 0
    for _ in range(2):
        shell.run("run", "encode", "name=Ada", "--no-wait")
    assert shell.run("run", "encode", "name=Ada").returncode == 0
    words, expected = _example()
    # From another machine, where nothing but the service's address is known.
    variables = {"APPHUB_DATA_DIR": str(tmp_path), "APPHUB_URL": shell.url}
    done = shell.run(*words, **variables)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert len(printed) == len(expected)
    assert printed[0].endswith(": 3 runs started")
    for line, as_shown in zip(printed, expected, strict=True):
        assert _words_of(line) == _words_of(as_shown)
    assert "at most 1 ran at a time" in done.stderr
    answer = document(shell.run(*words, "--json", **variables).stdout)
    assert (answer["job"], answer["runs"], answer["maxConcurrentRuns"]) == ("encode", 3, 3)
    assert answer["recorded"]["starts"] == answer["supposed"]["starts"] == 3
    assert answer["deviation"] is not None
    assert list(tmp_path.iterdir()) == [], "no database of its own"
    unlimited = ("jobs", "what-if", "encode", "--max-concurrent-runs", "none", "--json")
    of_service = document(shell.run(*unlimited).stdout)
    of_database = document(shell.run(*unlimited, "--database-url", shell.database_url).stdout)
    for one in (of_service, of_database):
        assert one["maxConcurrentRuns"] is None
        assert one["supposed"]["starts"] == 3
    assert of_service.keys() == of_database.keys()


def _words_of(line: str) -> list[str]:
    """Return a line's words without its numbers, times and units."""
    words = re.findall(r"[A-Za-z]+", line)
    units = {"ms", "s", "min", "T", "Z"}
    return [word for word in words if word not in units]


def test_what_cannot_be_answered_is_said(shell: Shell) -> None:
    variables = {"APPHUB_DATABASE_URL": shell.database_url}
    ask = ("jobs", "what-if")
    unknown = (*ask, "nothing", "--max-concurrent-runs", "2")
    done = shell.run(*unknown, "--database-url", shell.database_url)
    assert (done.returncode, "there is no job nothing" in done.stderr) == (1, True)
    done = shell.run(*unknown)
    assert (done.returncode, "job not found: nothing" in done.stderr) == (1, True)
    for options, message in (
        (("--max-concurrent-runs", "0"), "a number from 1 to"),
        (("--max-concurrent-runs", "few"), "a number from 1 to"),
        (("--max-concurrent-runs", "1", "--since", "monday"), "is no duration"),
        (("--max-concurrent-runs", "1", "--since", "0s"), "above 0s"),
    ):
        done = shell.run(*ask, "greet", *options, **variables)
        assert (done.returncode, message in done.stderr) == (2, True)
