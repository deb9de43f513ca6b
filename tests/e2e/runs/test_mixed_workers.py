"""Workers with different handlers beside each other."""

import json
from pathlib import Path

import httpx

from tests.e2e.support import launch, register
from tests.support.processes import eventually, started, wait_for_run


def test_each_of_two_workers_takes_what_it_has_handlers_for(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    commands = tmp_path / "commands.json"
    commands.write_text(json.dumps({"say": ["echo", '{"said": true}']}))
    register(client, "ours", "test.noop")
    register(client, "theirs", "command.say")
    early = launch(client, "theirs")
    working = ("worker", "--data-dir", str(tmp_path / "data"))
    # However slow the machine is, the second one starts before the first gives anything up.
    patient = (*working, "--no-handler-after-s", "3600")
    ours = (*patient, "--handlers", "tests.support.handlers")
    theirs = (*working, "--no-handler-after-s", "0", "--commands", str(commands))
    with started(*ours, APPHUB_DATABASE_URL=database_url) as first:
        first.wait_for_line("is ready with", errors=True)
        with started(*theirs, APPHUB_DATABASE_URL=database_url) as second:
            second.wait_for_line("is ready with", errors=True)
            slugs = ["ours", "theirs"] * 6
            runs = [launch(client, slug) for slug in slugs]
            ended = [wait_for_run(client, run_id) for run_id in (early, *runs)]
    assert {run["status"] for run in ended} == {"succeeded"}


def test_a_run_that_no_living_worker_can_do_fails_after_its_grace(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    register(client, "nobodys", "no.such.handler", retryPolicy={"maxAttempts": 3})
    before = launch(client, "nobodys")
    common = ("--data-dir", str(tmp_path / "data"), "--no-handler-after-s", "0.3")
    with started("worker", *common, APPHUB_DATABASE_URL=database_url) as worker:
        worker.wait_for_line("is ready with", errors=True)
        after = launch(client, "nobodys")
        for run_id in (before, after):
            run = wait_for_run(client, run_id)
            assert (run["status"], run["attempt"]) == ("failed", 1)
            assert run["failureReason"] == "no_handler"
            assert run["errorMessage"] == "No handler registered for job nobodys"
        told = "the entry point no.such.handler, which no living worker offers"
        eventually(lambda: any(told in line for line in worker.errors), what=told)
