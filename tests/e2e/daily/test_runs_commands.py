"""Launching, waiting, looking: `run` and `runs`, typed as a person or a program types them."""

import json
import re
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from select import select
from typing import Any

import pytest

from tests.e2e.daily.conftest import Shell
from tests.support.processes import eventually
from tests.support.slow import slow


def launched(shell: Shell, *words: str) -> str:
    done = shell.run("run", *words, "--no-wait")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def document(text: str) -> dict[str, Any]:
    value = json.loads(text)
    assert isinstance(value, dict)
    return value


def failure_of(shell: Shell, run_id: str) -> dict[str, Any] | None:
    """Return the failure group of a run, once it is recorded."""
    run = document(shell.run("runs", "show", run_id, "--json").stdout)
    group: dict[str, Any] | None = run["related"]["failureGroup"]
    return group


def test_a_run_is_launched_waited_for_and_its_result_is_all_that_is_printed(shell: Shell) -> None:
    done = shell.run_process("run", "greet", "name=007", "times=2")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["Hello, 007"] * 2
    assert "greet succeeded after" in done.stderr


@pytest.mark.parametrize(
    ("params", "stdin"), [("-", '{"name": "Ada"}'), ("-", "name: Ada\ntimes: 1"), ("file.json", "")]
)
def test_parameters_come_from_files_and_words_go_before_them(
    shell: Shell, params: str, stdin: str
) -> None:
    (shell.directory / "file.json").write_text('{"name": "Ada", "times": 5}')
    words = ("times=1",) if params == "file.json" else ()
    done = shell.run("run", "greet", *words, "--params", params, "--json", stdin=stdin)
    run = document(done.stdout)
    assert (run["status"], run["result"]) == ("succeeded", ["Hello, Ada"])
    assert run["parameters"]["name"] == "Ada"


@pytest.mark.parametrize(("status", "code"), [("failed", 3), ("canceled", 5), ("expired", 6)])
def test_how_it_ended_is_the_exit_code(shell: Shell, status: str, code: int) -> None:
    done = shell.run("run", "end-as", f"status={status}")
    assert (done.returncode, done.stdout) == (code, "")
    assert f"end-as {status}" in done.stderr
    assert "as it was told" in done.stderr


def test_a_launch_has_the_options_that_are_given(shell: Shell) -> None:
    times = ("--delay", "1h", "--timeout", "90s", "--start-deadline", "5m")
    others = ("--priority", "-7", "--max-attempts", "3", "--context", '{"ticket": 4711}')
    done = shell.run("run", "greet", "name=Eve", "--no-wait", "--json", *times, *others)
    run = document(done.stdout)
    shell.run("runs", "cancel", run["id"])
    assert (run["timeoutMs"], run["maxAttempts"], run["priority"]) == (90_000, 3, -7)
    assert run["context"] == {"ticket": 4711}
    created, due = (datetime.fromisoformat(run[name]) for name in ("createdAt", "scheduledAt"))
    assert due - created == timedelta(hours=1)
    for wrong in (
        ("--delay", "soon"),
        ("--context", "[1]"),
        ("--context", '{"a": 1, "a": 2}'),
        ("--context", "no JSON"),
    ):
        refused = shell.run("run", "greet", "name=Eve", *wrong)
        assert (refused.returncode, wrong[0] in refused.stderr) == (2, True)


def test_who_gives_up_waiting_says_where_the_run_goes_on(shell: Shell) -> None:
    done = shell.run("run", "steps", "pause_s=30", "--wait-for", "1s")
    assert (done.returncode, done.stdout) == (124, "")
    run_id = done.stderr.split()[-1]
    assert "gave up waiting" in done.stderr
    stopped = shell.run("runs", "cancel", run_id, "--reason", "enough")
    assert (stopped.returncode, "is being canceled" in stopped.stderr) == (0, True)
    watched = shell.run("runs", "watch", run_id)
    assert (watched.returncode, "steps canceled" in watched.stderr) == (5, True)


def test_what_it_prints_is_followed_on_standard_error_alone(shell: Shell) -> None:
    done = shell.run_process("run", "steps", "--follow")
    assert done.stdout == "done\n"
    assert [f"step {number}" in done.stderr for number in range(4)] == [True] * 4


def test_a_run_is_shown_with_its_attempts_and_its_log(shell: Shell) -> None:
    run_id = launched(shell, "end-as", "status=failed")
    assert shell.run("runs", "watch", run_id).returncode == 3
    for_people = shell.run("runs", "show", run_id)
    for part in (run_id, "end-as failed", "as it was told", "attempt", "failed"):
        assert part in for_people.stdout
    as_json = document(shell.run("runs", "show", run_id, "--json").stdout)
    assert [one["attempt"] for one in as_json["attempts"]] == [1, 2]
    again = shell.run("runs", "retry", run_id).stdout.strip()
    retried = document(shell.run("runs", "show", again, "--json").stdout)
    assert retried["context"]["retryOf"] == run_id
    related = document(shell.run("runs", "show", run_id, "--json").stdout)["related"]
    assert [run["id"] for run in related["retries"]] == [again]
    group = eventually(lambda: failure_of(shell, run_id), what="its failure group")
    text = shell.run("runs", "show", run_id).stdout
    assert f"{group['fingerprint']}, {group['status']}, " in text
    assert f"repeated by   {again} " in text
    changed = shell.run("runs", "retry", run_id, "--set", "status=canceled", "--json")
    assert document(changed.stdout)["parameters"] == {**as_json["parameters"], "status": "canceled"}
    greeted = launched(shell, "greet", "name=Eve")
    shell.run("runs", "watch", greeted)
    assert "greeting Eve" in shell.run("runs", "logs", greeted).stdout
    assert "greeting Eve" in shell.run("runs", "logs", greeted, "-f").stdout


def test_lists_are_tables_for_people_and_lines_for_programs(shell: Shell) -> None:
    name = "x" * 300
    run_id = launched(shell, "end-as", "status=failed")
    shell.run("runs", "watch", run_id)
    long_id = launched(shell, "greet", f"name={name}")
    shell.run("runs", "watch", long_id)
    table = shell.run("runs", "list", "--limit", "2", COLUMNS="40").stdout
    head, *rows = table.splitlines()
    assert head.split()[:3] == ["run", "job", "status"]
    assert [row.split()[0] for row in rows] == [long_id, run_id]
    assert "as it was told" in rows[1]
    assert "\x1b" not in table
    lines = shell.run("runs", "list", "--json", "--status", "failed,expired")
    listed = [document(line) for line in lines.stdout.splitlines()]
    assert run_id in {run["id"] for run in listed}
    assert {run["status"] for run in listed} <= {"failed", "expired"}
    last = document(shell.run("runs", "show", "last", "--json").stdout)
    assert last["parameters"]["name"] == name
    words = (f"parameters.name={name}", "status!=failed", "job!=end-as", "job!=nobody")
    [line] = shell.run("runs", "list", "--json", *words).stdout.splitlines()
    assert document(line)["id"] == long_id


def buckets_of(shell: Shell, *words: str) -> list[dict[str, Any]]:
    done = shell.run("runs", "statistics", "--json", *words)
    assert done.returncode == 0, done.stderr
    return [document(line) for line in done.stdout.splitlines()]


def test_runs_are_counted_over_time_and_by_job(shell: Shell) -> None:
    launched(shell, "end-as", "status=failed")
    shell.run("runs", "watch", "last")
    launched(shell, "greet", "name=Ada")
    shell.run("runs", "watch", "last")

    def counted() -> list[dict[str, Any]] | None:
        buckets = buckets_of(shell, "--from", "1h", "--by-job", "--bucket", "1d")
        slugs = {bucket["job"] for bucket in buckets if sum(bucket["ended"].values())}
        return buckets if {"end-as", "greet"} <= slugs else None

    buckets = eventually(counted, what="counts of both")
    [failed] = [sum(one["ended"]["failed"] for one in buckets if one["job"] == "end-as")]
    assert failed >= 1
    assert all(
        bucket["job"] == "greet" for bucket in buckets_of(shell, "--by-job", "--job", "greet")
    )
    text = shell.run("runs", "statistics", "--by-job").stdout
    assert re.search(r"^end-as +\d+ +\d+ +[1-9]", text, re.MULTILINE), text
    head, period, _, columns, *rows = shell.run("runs", "statistics").stdout.splitlines()
    assert re.fullmatch(r"\d+ launched, \d+ ended, \d+ failed or expired", head), head
    assert re.fullmatch(r".*T..:00Z to .*T..:00Z, up to log position \d+", period), period
    assert columns.split()[:4] == ["since", "launched", "ended", "failed"]
    assert len(rows) in {24, 25}  # Hours, also those in which nothing happened.
    assert any("█" in row for row in rows)
    for words, problem, code in (
        (("--from", "soon"), "--from: 'soon' is no time", 2),
        (("--bucket", "10s"), "/bucketMs", 1),
    ):
        refused = shell.run("runs", "statistics", *words)
        assert (refused.returncode, problem in refused.stderr) == (code, True), refused.stderr


def test_a_filter_that_is_none_is_refused_before_anything_is_asked(shell: Shell) -> None:
    done = shell.run("runs", "list", "stauts=failed", "fast", APPHUB_URL="http://[::1]")
    assert (done.returncode, done.stdout) == (2, "")
    assert "write NAME=VALUE" in done.stderr
    done = shell.run("runs", "list", "stauts=failed", APPHUB_URL="http://[::1]")
    assert (done.returncode, done.stdout) == (2, "")
    assert "stauts: is no filter of runs; did you mean status?" in done.stderr


def test_why_a_run_ended_is_told_in_a_table_and_as_json(shell: Shell) -> None:
    shell.run("run", "end-as", "status=failed")
    run_id = document(shell.run("runs", "show", "last", "--json").stdout)["id"]
    head, summary, _, columns, row = shell.run("runs", "explain", "last").stdout.splitlines()
    assert head == f"end-as {run_id} failed"
    assert summary == "failed in attempt 2 of 2: as it was told"
    assert columns.split() == ["reason", "binds", "since", "why"]
    assert row.split()[:2] == ["handler", "yes"]
    explanation = document(shell.run("runs", "explain", run_id, "--json").stdout)
    assert (explanation["run"], explanation["reasons"][0]["code"]) == (run_id, "handler")
    moment = explanation["reasons"][0]["since"]
    then = shell.run("runs", "explain", run_id, "--as-of", moment, "--json")
    assert document(then.stdout)["run"] == run_id
    refused = shell.run("runs", "explain", run_id, "--as-of", "soon")
    assert refused.returncode == 2
    assert "--as-of: 'soon' is no time" in refused.stderr


def test_output_that_cannot_be_written_is_told_in_one_line(shell: Shell) -> None:
    launched(shell, "greet", "name=Ada")
    for words in (("show", "last", "--json"), ("show", "last"), ("list",)):
        with Path("/dev/full").open("w") as full:
            done = shell.start_process("runs", *words, stdout=full)
            _, errors = done.communicate(timeout=90)
        assert done.returncode == 1
        [line] = errors.splitlines()
        assert line.startswith("apphub-jobs: standard output cannot be written: No space")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("runs", "list"), 0),
        (("runs", "show", "last", "--json"), 0),
        slow(("runs", "logs", "last"), 0),
        slow(("events", "show", "last", "--json"), 0),
        (("run", "greet", "name=Ada"), 0),
        (("run", "greet", "--params", "-"), 2),
    ],
)
def test_closed_standard_streams_are_no_failure_of_the_program(
    shell: Shell, words: tuple[str, ...], code: int
) -> None:
    launched(shell, "greet", "name=Ada")
    without_streams = ("sh", "-c", 'exec "$@" <&- >&-', "sh")
    done = subprocess.run(
        [*without_streams, sys.executable, "-P", "-m", "apphub_jobs", *words],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
        cwd=shell.directory,
        env=shell.environment,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr


def test_who_watches_all_runs_is_interrupted_like_elsewhere(shell: Shell) -> None:
    watching = shell.start_process("runs", "watch", "--json", stdout=subprocess.PIPE)
    assert watching.stdout is not None
    while watching.poll() is None:
        launched(shell, "greet", "name=Ada")
        if select([watching.stdout], [], [], 1)[0]:
            break
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=90)
    assert (watching.returncode, errors) == (130, "")


def test_colours_are_for_terminals_and_for_those_who_want_them(shell: Shell) -> None:
    launched(shell, "greet", "name=Ada")
    forced = {"FORCE_COLOR": "1", "TERM": "xterm"}
    assert "\x1b[" in shell.run("runs", "list", **forced).stdout
    assert "\x1b[3" not in shell.run("runs", "list", NO_COLOR="1", **forced).stdout


def test_a_service_may_be_named_instead_of_found(shell: Shell) -> None:
    elsewhere = {"APPHUB_DATA_DIR": str(shell.directory / "nothing-here")}
    done = shell.run("runs", "list", **elsewhere)
    assert done.returncode == 1
    assert "no service runs in the data directory" in done.stderr
    done = shell.run("jobs", "list", APPHUB_URL=shell.url, **elsewhere)
    assert (done.returncode, "greet" in done.stdout) == (0, True)
    ready = shell.run("ready")
    assert ready.stdout.strip() == shell.url


def test_runs_are_listed_by_times_as_people_say_them(shell: Shell) -> None:
    run_id = launched(shell, "greet", "name=Ada")
    for condition, is_there in (
        ("createdAfter=yesterday", True),
        ("createdAfter=2h", True),
        ("createdBefore=2h", False),
        ("createdAfter=2020-01-01", True),
    ):
        done = shell.run("runs", "list", condition, "--json", "--limit", "200")
        assert done.returncode == 0, done.stderr
        assert (run_id in done.stdout) is is_there, condition
    ended = shell.run("runs", "list", "--sort", "ended", "endedAfter=2h", "--json")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("what", ["runs", "jobs", "schedules", "failures", "bulk"])
def test_lists_are_shown_as_of_a_past_position(shell: Shell, what: str) -> None:
    launched(shell, "greet", "name=Ada")
    done = shell.run(what, "list", "--as-of", "1", "--json")
    assert done.returncode == 0, done.stderr
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    # At the first position there is one of the jobs that are built in, and nothing else.
    assert len(listed) == (1 if what == "jobs" else 0)
    assert shell.run(what, "list", "--as-of", "0s").returncode == 0
