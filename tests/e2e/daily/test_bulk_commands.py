"""`bulk …`: the commands of the documentation, typed on a machine of a service."""

import json
import re
import shlex

import httpx
import pytest

from tests import ROOT
from tests.e2e.daily.conftest import Shell
from tests.e2e.daily.test_runs_commands import document

CHAPTER = (ROOT / "docs" / "bulk.md").read_text()

JOB = {
    "slug": "report",
    "name": "Report",
    "type": "batch",
    "entryPoint": "greet",
    "parametersSchema": {"type": "object"},
}

PARAMETERS = {"region": "eu", "name": "Ada"}


@pytest.fixture(scope="module")
def service(shell: Shell) -> Shell:
    """Launch what the chapter speaks of."""
    # Other chapters have a job of this name, too.
    (shell.directory / "greeting-report.json").write_text(json.dumps(JOB))
    assert shell.run("jobs", "apply", "greeting-report.json").returncode == 0
    with httpx.Client(base_url=shell.url) as client:
        for _ in range(2):
            waiting = {"parameters": PARAMETERS, "delayMs": 3_600_000}
            client.post("/jobs/report/run", json=waiting).raise_for_status()
    return shell


def _examples() -> list[tuple[list[str], list[str]]]:
    """Return the words of each command that the chapter shows, and what it prints."""
    examples = []
    for block in re.findall(r"```console\n(.*?)```", CHAPTER, re.DOTALL):
        command, *lines = block.splitlines()
        examples.append((shlex.split(command.removeprefix("$ apphub-jobs ")), lines))
    return examples


def _shape(line: str) -> str:
    """Return a line without what is different each time: ids, positions, ages, widths."""
    line = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", line)
    line = re.sub(r"position +\d+", "position N", line)
    line = re.sub(r"[\d.]+ ?(ms|s|min) ago", "AGE", line)
    return " ".join(line.split())


def test_the_chapters_commands_print_what_the_chapter_shows(service: Shell) -> None:
    examples = _examples()
    assert len(examples) == 4
    for words, output in examples:
        done = service.run(*words, COLUMNS="200")
        assert done.returncode == 0, (words, done.stderr)
        # Other tests on the same machine give orders, too.
        own = [
            line
            for line in done.stdout.splitlines()
            if "job=end-as" not in line and "job=nobody" not in line
        ]
        assert list(map(_shape, own)) == list(map(_shape, output))


def test_the_chapters_request_is_answered(service: Shell) -> None:
    [block] = re.findall(r"```json\nPOST /bulk\n(.*?)```", CHAPTER, re.DOTALL)
    answer = httpx.post(f"{service.url}/bulk", json=json.loads(block))
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["data"]) == {"count", "position", "sample", "refused"}


def test_one_is_shown_listed_and_aborted_as_json(service: Shell) -> None:
    ordered = ("bulk", "cancel", "job=nobody", "--reason", "none there", "--json")
    operation = document(service.run(*ordered, "--wait").stdout)
    assert (operation["status"], operation["total"]) == ("completed", 0)
    answer = service.run("bulk", "show", operation["id"], "--json")
    assert document(answer.stdout) == operation
    [line] = service.run("bulk", "list", "--limit", "1", "--json").stdout.splitlines()
    assert document(line) == operation
    done = service.run("bulk", "abort", operation["id"])
    assert (done.returncode, "completed already" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cancel", "job=report"], "give a reason: --reason TEXT"),
        (["cancel", "stauts=failed", "--reason", "x"], "did you mean status?"),
        (["cancel", "status=failed", "--reason", "x"], "leaves no run"),
        (["rerun", "status=", "--reason", "x"], "means all runs"),
    ],
)
def test_what_is_no_order_is_refused_before_anything_is_asked(
    shell: Shell, words: list[str], message: str
) -> None:
    done = shell.run("bulk", *words, APPHUB_URL="http://[::1]")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.split())
