"""Every command speaks to one service, and calls its runs by the same names."""

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.e2e.daily.conftest import Shell
from tests.e2e.daily.test_runs_commands import document, launched
from tests.e2e.support import launch
from tests.support.commands import typed


def _elsewhere(shell: Shell, directory: Path) -> dict[str, str]:
    """Return the variables of somebody on another machine, whose data directory is empty."""
    return {"APPHUB_DATA_DIR": str(directory), "APPHUB_URL": shell.url}


def _start_of(run_id: str) -> str:
    return run_id[:18]


def test_events_are_those_of_the_service_that_is_named(shell: Shell, tmp_path: Path) -> None:
    variables = _elsewhere(shell, tmp_path)
    run_id = document(shell.run("run", "greet", "name=Ada", "--json").stdout)["id"]
    for name in ("last", run_id, _start_of(run_id), f"job_run:{run_id}"):
        done = shell.run("events", "show", name, **variables)
        assert done.returncode == 0, done.stderr
        assert f"greet {run_id}" in done.stdout
        assert "job_run.succeeded" in done.stdout
    exported = shell.run("events", "export", "--subject", "last", **variables).stdout
    topics = [document(line)["type"] for line in exported.splitlines()]
    assert topics[0] == "job_run.requested"
    assert topics[-1] == "job_run.succeeded"
    assert list(tmp_path.iterdir()) == [], "no database of its own"


def test_the_events_of_the_service_in_the_data_directory_need_no_address(shell: Shell) -> None:
    run_id = document(shell.run("run", "greet", "name=Ada", "--json").stdout)["id"]
    beside = shell.run("events", "show", "last")
    named = shell.run("events", "show", _start_of(run_id), "--database-url", shell.database_url)
    for done in (beside, named):
        assert done.returncode == 0, done.stderr
        assert f"greet {run_id}" in done.stdout


def test_what_the_service_refuses_is_said(shell: Shell, tmp_path: Path) -> None:
    variables = _elsewhere(shell, tmp_path)
    for words, message in (
        (("show", "nobody"), "'nobody' is no id"),
        (("export", "--type", "nope"), "there is no type 'nope'"),
        (("show", "0000beef"), "no id starts with 0000beef"),
    ):
        done = shell.run("events", *words, **variables)
        assert (done.returncode, message in done.stderr) == (1, True), done.stderr


def test_a_run_goes_by_the_start_of_its_id_everywhere(shell: Shell) -> None:
    run_id = launched(shell, "greet", "name=Ada")
    start = _start_of(run_id)
    assert shell.run("runs", "watch", start).returncode == 0
    for words in (("show", start), ("explain", start), ("list", "--search", start)):
        assert run_id in shell.run("runs", *words).stdout
    assert "greeting Ada\n" in shell.run("runs", "logs", start).stdout
    again = shell.run("runs", "retry", start)
    assert again.returncode == 0, again.stderr
    shell.run("runs", "watch", again.stdout.strip())
    canceled = shell.run("runs", "cancel", start)
    assert "already ended" in canceled.stderr or "succeeded" in canceled.stderr
    with httpx.Client(base_url=shell.url, timeout=90) as client:
        one, other = (launch(client, "greet", parameters={"name": "A"}) for _ in range(2))
    # Without a key ids begin with the time: some hours have the same start.
    many = shell.run("runs", "show", one[:6])
    assert many.returncode == 1
    assert "the ids of several runs start with" in many.stderr
    assert one in many.stderr
    assert other in many.stderr
    nothing = shell.run("runs", "show", "0000beef")
    assert (nothing.returncode, "run not found" in nothing.stderr) == (1, True)


def test_a_service_on_ones_own_database_is_not_answered_for_from_an_empty_one(shell: Shell) -> None:
    done = shell.run("verify")
    assert done.returncode == 1
    assert "--database-url" in done.stderr
    assert shell.url in done.stderr
    assert not (shell.data_dir / "postgres").exists()


NEED_THE_DATABASE: Sequence[tuple[str, ...]] = (
    ("verify",),
    ("projections", "rebuild"),
    ("migrate",),
    ("sql", "SELECT 1"),
    ("log", "archive", "--older-than", "90d"),
    ("seal", "run"),
    ("seal", "export"),
    ("seal", "verify"),
    ("seal", "prove"),
    ("seal", "public-key"),
    ("subjects", "erase", "alice"),
    ("subjects", "rotate-key"),
)


@pytest.mark.parametrize("words", NEED_THE_DATABASE, ids=" ".join)
def test_what_needs_the_database_refuses_an_address(words: tuple[str, ...], tmp_path: Path) -> None:
    env = {
        "APPHUB_URL": "http://127.0.0.1:9",
        "APPHUB_DATA_DIR": None,
        "APPHUB_DATABASE_URL": None,
        "DATABASE_URL": None,
        "XDG_DATA_HOME": str(tmp_path),
    }
    done = typed(words, env)
    assert done.returncode == 1
    assert "needs the database itself" in done.stderr
    assert "--data-dir or --database-url" in done.stderr
    assert list(tmp_path.iterdir()) == []
