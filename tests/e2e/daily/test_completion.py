"""A shell asks what could follow, and is told commands and options."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.daily.conftest import Shell
from tests.support.processes import without_settings

PROGRAM = Path(sys.executable).with_name("apphub-jobs")


def completed(words: str, **variables: str) -> set[str]:
    """Return what bash is told could stand for the last word."""
    environment = {
        "_APPHUB_JOBS_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [PROGRAM],
        env={**without_settings(), **environment, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "candidates"),
    [
        ("apphub-jobs ru", {"run", "runs"}),
        (
            "apphub-jobs jobs ",
            {"list", "show", "diff", "apply", "pause", "resume", "delete", "what-if"},
        ),
        ("apphub-jobs run greet --wai", {"--wait", "--wait-for"}),
    ],
)
def test_commands_and_options_are_completed(words: str, candidates: set[str]) -> None:
    assert completed(words) == candidates


@pytest.mark.parametrize("command", ["run ", "jobs show ", "runs list --job "])
def test_jobs_are_completed_by_the_service_that_runs(shell: Shell, command: str) -> None:
    there = {"APPHUB_DATA_DIR": str(shell.data_dir)}
    assert completed(f"apphub-jobs {command}gre", **there) == {"greet"}


def test_no_job_is_completed_where_no_service_runs(tmp_path: Path) -> None:
    assert completed("apphub-jobs run g", APPHUB_DATA_DIR=str(tmp_path)) == set()


def test_a_shell_can_be_taught(tmp_path: Path) -> None:
    variables = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [PROGRAM, "--show-completion", "bash"],
        env={**without_settings(), **variables, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert "_APPHUB_JOBS_COMPLETE" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []
