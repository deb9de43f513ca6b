"""`schedules`: from a file to its ticks, and what is wrong with what was typed."""

import json
import re
import shlex
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from tests import ROOT
from tests.e2e.daily.conftest import Shell

TIMES = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z")


def lines(shell: Shell, *words: str) -> list[dict[str, Any]]:
    done = shell.run("schedules", *words, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_schedule_from_its_file_to_its_end(shell: Shell) -> None:
    file = shell.directory / "nightly.yaml"
    text = "id: nightly\njob: greet\ncron: 30 2 * * MON-FRI\ntimeZone: Europe/Berlin\n"
    file.write_text(text + "parameters: {name: Ada}\n")
    [created] = lines(shell, "apply", "nightly.yaml")
    assert (created["version"], created["parameters"]) == (1, {"name": "Ada"})
    assert lines(shell, "apply", "nightly.yaml") == [created]
    file.write_text(text + "parameters: {name: Grace}\noverlap: buffer_one\n")
    [revised] = lines(shell, "apply", "nightly.yaml")
    assert (revised["version"], revised["overlap"]) == (2, "buffer_one")
    assert lines(shell, "show", "nightly") == [revised]
    [listed] = [one for one in lines(shell, "list") if one["id"] == "nightly"]
    assert listed.pop("runs")["last"] == []
    assert listed == revised
    table = shell.run("schedules", "list").stdout
    [row] = [line for line in table.splitlines() if line.startswith("nightly ")]
    assert row.split()[:4] == ["nightly", "greet", "active", "in"]
    assert row.endswith("30 2 * * MON-FRI Europe/Berlin")
    coming = lines(shell, "preview", "nightly", "-n", "3")
    days = [datetime.fromisoformat(tick["dueAt"]) for tick in coming]
    assert {(day.hour, day.minute) for day in days} == {(2, 30)}
    assert coming[0]["dueAt"] in shell.run("schedules", "preview", "nightly").stdout

    paused = shell.run("schedules", "pause", "nightly", "--reason", "holidays")
    assert paused.stderr == "nightly is paused\n"
    assert lines(shell, "show", "nightly")[0]["paused"]["reason"] == "holidays"
    assert shell.run("schedules", "resume", "nightly").stderr == "nightly is resumed\n"
    [run] = lines(shell, "trigger", "nightly")
    assert run["requestedBy"] == "schedule:nightly"
    assert run["parameters"]["name"] == "Grace"
    assert lines(shell, "ticks", "nightly") == []
    assert shell.run("schedules", "ticks", "nightly").stdout == "no ticks yet\n"
    assert lines(shell, "backfill", "nightly", *TIMES, "--dry-run") == [{"count": 1}]
    done = shell.run("schedules", "backfill", "nightly", *TIMES)
    [_] = done.stdout.splitlines()  # Its first version counts also before its creation.
    assert done.stderr == "1 run was launched\n"
    done = shell.run("schedules", "backfill", "nightly", *TIMES)
    assert (done.stdout, done.stderr) == ("", "0 runs were launched\n")
    done = shell.run("schedules", "backfill", "nightly", *TIMES, "--dry-run")
    assert done.stdout == "0 runs would be launched\n"
    assert shell.run("schedules", "delete", "nightly").stderr == "nightly is deleted\n"
    gone = shell.run("schedules", "show", "nightly")
    assert gone.returncode == 1
    assert "schedule not found; to see all schedules" in gone.stderr


def test_ticks_are_shown_with_what_became_of_them(shell: Shell) -> None:
    words = ("create", "often", "greet", "name=Ada", "--every", "1s")
    [created] = lines(shell, *words, "--overlap", "allow_all")
    assert (created["everyMs"], created["overlap"]) == (1_000, "allow_all")
    ticks: list[dict[str, Any]] = []
    while not ticks:
        ticks = lines(shell, "ticks", "often")
    tick = ticks[0]
    assert (tick["outcome"], tick["ticks"]) in {("launched", 1), ("skipped", 1)}
    shell.run("schedules", "pause", "often")
    while tick["outcome"] != "skipped":
        *_, tick = lines(shell, "ticks", "often")
    due = tick["dueAt"]
    [run] = lines(shell, "backfill", "often", "--from", due, "--to", due)
    # A year of seconds: to count them all would take 31 536 requests.
    year = ("--from", "2025-01-01T00:00:00Z", "--to", "2026-01-01T00:00:00Z")
    uncounted = shell.run("schedules", "backfill", "often", *year, "--dry-run")
    assert (uncounted.returncode, uncounted.stdout) == (1, "")
    assert "100000 runs would be launched before 2025-01-02T03:46:40.000Z" in uncounted.stderr
    [listed] = [one for one in lines(shell, "list") if one["id"] == "often"]
    assert run["id"] in {one["id"] for one in listed["runs"]["last"]}
    shell.run("runs", "watch", run["id"])
    assert re.search(
        r"^often .* [1-9]\d* of \d+ ok  ", shell.run("schedules", "list").stdout, re.MULTILINE
    )
    ticks = lines(shell, "ticks", "often")
    made_up_for = [tick["runId"] for tick in ticks if tick["cause"] == "backfill"]
    assert made_up_for == [run["id"]]
    shell.run("schedules", "delete", "often")


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (("create", "x", "greet", "name=Ada"), "give cron or everyMs", 1),
        (("create", "x", "greet", "--every", "soon"), "soon", 2),
        (("create", "x", "nobody", "--every", "1h"), "job not found", 1),
        (("apply", "none.yaml"), "none.yaml", 1),
        (("backfill", "x", "--from", "soon"), "--from: 'soon' is no time", 2),
        (("trigger", "nothing"), "schedule not found", 1),
    ],
)
def test_what_is_wrong_is_told(
    shell: Shell, words: tuple[str, ...], message: str, code: int
) -> None:
    done = shell.run("schedules", *words)
    assert done.returncode == code
    assert message in done.stderr


REPORT = {
    "slug": "report",
    "name": "Report",
    "type": "batch",
    "entryPoint": "report",
    "parametersSchema": {"type": "object", "properties": {"day": {"type": "string"}}},
}


def test_the_chapter_s_examples_work(shell: Shell) -> None:
    chapter = (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")

    def examples(language: str) -> list[str]:
        pattern = rf"^```{language}\n(.*?)^```"
        return re.findall(pattern, chapter, re.MULTILINE | re.DOTALL)

    (shell.directory / "report.json").write_text(json.dumps(REPORT))
    assert shell.run("jobs", "apply", "report.json").returncode == 0
    [document] = examples("yaml")
    (shell.directory / "nightly.yaml").write_text(document)
    creating, changing, _ = examples("console")  # The last ones read a database by SQL.
    printed = typed(shell, creating)
    assert [part for part in ("nightly-report", "heartbeat") if part not in printed] == []
    [code] = examples("python")
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={**shell.environment, "APPHUB_URL": shell.url},
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    lines_printed = done.stdout.splitlines()
    assert lines_printed[0] == "hourly-report 1 0"
    assert len(lines_printed) == 6
    assert lines_printed[4] == "schedule:hourly-report"
    assert lines_printed[5] in {"3", "4"}  # Four where one of them is due right now.
    typed(shell, changing)
    shell.run("schedules", "delete", "nightly-report", "hourly-report")


def typed(shell: Shell, lines: str) -> str:
    """Type an example's lines, each of which must end well; return what they print."""
    printed = ""
    for line in lines.splitlines():
        dollar, program, *words = shlex.split(line)
        assert (dollar, program) == ("$", "apphub-jobs")
        done = shell.run(*words)
        assert done.returncode == 0, done.stderr
        printed += done.stdout
    return printed
