"""`apphub-jobs events`: the log at a terminal."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from migrations import runner
from tests.e2e.support import events, launch, register
from tests.support.processes import run_to_end, started, wait_for_run

Json = dict[str, Any]


def command(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_to_end("events", *arguments, "--database-url", database_url)


def lines(output: str) -> list[Json]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def run_id(client: httpx.Client, worker: object) -> str:
    del worker
    register(client, "fail", "test.fail", retryPolicy={"maxAttempts": 2})
    run_id = launch(client, "fail")
    wait_for_run(client, run_id)
    return run_id


def test_an_export_is_the_log_and_a_file_appears_whole(
    client: httpx.Client, database_url: str, run_id: str, tmp_path: Path
) -> None:
    whole = client.get("/events", params={"limit": 1_000}).json()["data"]
    done = command(database_url, "export")
    # Failures are noted meanwhile.
    exported = lines(done.stdout)[: len(whole)]
    assert (done.returncode, exported) == (0, whole)
    file = tmp_path / "log.jsonl"
    assert command(database_url, "export", str(file), "--subject", run_id).returncode == 0
    assert lines(file.read_text(encoding="utf-8")) == events(client, run_id)
    assert [path.name for path in tmp_path.glob("*log.jsonl*")] == ["log.jsonl"]


def test_a_history_is_shown_with_who_and_why(
    client: httpx.Client, database_url: str, run_id: str
) -> None:
    again = client.post(f"/job-runs/{run_id}/retry").json()["data"]["id"]
    client.post(f"/job-runs/{again}/cancel")
    output = command(database_url, "show", run_id).stdout
    ours = events(client, run_id)
    for event in (*ours, *events(client, again)):
        assert f"{event['type']} " in output
    assert f"request {ours[0]['causationId']}" in output
    assert f"job_run.attempt_failed at {ours[-1]['position']}" in output, "the retry's cause"
    for text in (
        f"fail {run_id}",
        "attempt 1  error:  failing on purpose, attempt 1  (again at ",
        "attempt 2  error:  failing on purpose, attempt 2\n",
        "worker:",
    ):
        assert text in output
    alone = lines(command(database_url, "show", run_id, "--alone", "--json").stdout)
    assert alone == ours


def test_a_tail_shows_what_comes_and_nothing_twice(
    client: httpx.Client, database_url: str, run_id: str
) -> None:
    before = client.get("/events", params={"subject": run_id}).json()["data"]
    arguments = (
        "events",
        "tail",
        "--json",
        "--after",
        "0",
        "--type",
        "job_run.*",
        "--database-url",
        database_url,
    )
    for_people = [part for part in arguments if part != "--json"]
    with started(*for_people) as tail:
        line = tail.wait_for_line("failing on purpose, attempt 2")
        assert f"job_run.attempt_failed         fail {run_id}" in line
    with started(*arguments) as tail:
        tail.wait_for_line(before[-1]["eventId"])
        late = launch(client, "fail")
        wait_for_run(client, late)
        tail.wait_for_line(events(client, late)[-1]["eventId"])
        seen = [json.loads(line) for line in tail.lines]
    assert [event for event in seen if event["subject"]["id"] in {run_id, late}] == [
        *before,
        *events(client, late),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "--subject", "nobody"), "--subject: 'nobody' is no id"),
        (("show", "repository:nobody"), "there are no events of repository:nobody"),
        (("tail", "--type", "job_run.failed"), "did you mean job_run.attempt_failed"),
        (("export", "--type", "nope"), "--type: there is no type 'nope'; there are "),
    ],
)
def test_what_cannot_be_read_is_said(
    database_url: str, arguments: tuple[str, ...], message: str
) -> None:
    done = command(database_url, *arguments)
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize("arguments", [("export",), ("tail",), ("show", "job_definition:fail")])
def test_who_reads_migrates_nothing(empty_database_url: str, arguments: tuple[str, ...]) -> None:
    done = command(empty_database_url, *arguments)
    assert done.returncode == 1
    assert "run: apphub-jobs migrate" in done.stderr
    assert runner.current(empty_database_url) is None
