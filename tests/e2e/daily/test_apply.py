"""`apply`: jobs and schedules are what files say, by whom they belong to."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daily.conftest import Shell
from tests.e2e.terminals import at_terminal
from tests.support.commands import Done
from tests.support.environments import make_environment

HANDLERS = '''\
from apphub_jobs import job


@job("gitops-python")
def count(days: int = 1) -> int:
    """Count the days."""
    return days
'''

OF_PROJECT = """\
import tariff_of_{project}

from apphub_jobs import job


@job(tariff_of_{project}.SLUG)
def tariff(context):
    pass
"""

NOT_JOBS = "raise SystemExit('this file defines no job, and nobody imports it')\n"


def a_job(slug: str, **fields: Any) -> dict[str, Any]:
    return {"slug": slug, "name": slug, "type": "batch", "entryPoint": "test.x", **fields}


def a_schedule(schedule_id: str, job: str, **fields: Any) -> dict[str, Any]:
    return {"id": schedule_id, "job": job, "cron": "0 3 * * *", **fields}


def write(path: Path, *definitions: Mapping[str, Any]) -> str:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("\n---\n".join(map(json.dumps, definitions)))
    return str(path)


def outcomes(done: Done) -> dict[str, tuple[str, str]]:
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    return {step["name"]: (step["action"], step["outcome"]) for step in steps}


def test_a_directory_becomes_jobs_and_schedules(shell: Shell, tmp_path: Path) -> None:
    nested = {"retryPolicy": {"maxAttempts": 2, "maxDelayMs": None}, "priority": None}
    job = a_job("gitops-report", timeoutMs=1_000, **nested)
    schedule = a_schedule("gitops-nightly", "gitops-report", startAt="2026-01-01T00:00:00Z")
    write(tmp_path / "reports.yaml", schedule, job)
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "gitops_jobs.py").write_text(HANDLERS)
    (tmp_path / "python" / "setup.py").write_text(NOT_JOBS)
    write(tmp_path / ".hidden.json", {"neither": 1})
    words = ("apply", str(tmp_path), "--owner", "reports")

    planned = shell.run(*words, "--dry-run", "--json")
    names = ["gitops-report", "gitops-python", "gitops-nightly"]
    assert planned.returncode == 2
    assert outcomes(planned) == dict.fromkeys(names, ("create", "planned"))
    assert shell.run("jobs", "show", "gitops-report").returncode == 1
    assert "job gitops-report  new" in shell.run(*words, "--dry-run").stdout

    applied = shell.run(*words, "--json")
    assert applied.returncode == 0, applied.stderr
    assert outcomes(applied) == dict.fromkeys(names, ("create", "done"))
    again = shell.run(*words, "--dry-run", "--json")
    assert (again.returncode, again.stderr) == (0, "")
    assert outcomes(again) == dict.fromkeys(names, ("keep", "unchanged"))
    for group, name in (("jobs", "gitops-report"), ("schedules", "gitops-nightly")):
        assert '"owner": "reports"' in shell.run(group, "show", name).stdout

    write(tmp_path / "reports.yaml", {**schedule, "cron": "0 4 * * *"}, {**job, "timeoutMs": None})
    changed = shell.run(*words)
    assert changed.returncode == 0, changed.stderr
    for part in (
        "job gitops-report  version 1 -> 2\n    timeoutMs: 1000 -> none",
        "schedule gitops-nightly  version 1 -> 2\n    cron: 0 3 * * * -> 0 4 * * *",
    ):
        assert part in changed.stdout
    assert "2 to revise, 1 unchanged" in changed.stderr
    assert "schedule gitops-nightly is at version 2" in changed.stderr


def test_what_another_owns_is_not_changed_by_mistake(shell: Shell, tmp_path: Path) -> None:
    file = write(tmp_path / "owned.json", a_job("owned"), a_job("free"))
    assert shell.run("jobs", "apply", file).returncode == 0
    # What nobody owns is adopted.
    assert "owner: none -> red" in shell.run("apply", file, "--owner", "red").stdout
    write(tmp_path / "owned.json", a_job("owned", priority=5), a_job("new-of-blue"))
    for words in (("--owner", "blue"), ()):
        refused = shell.run("apply", file, *words, "--json")
        assert refused.returncode == 1
        assert "job owned: it belongs to red; give --" in refused.stderr
        assert outcomes(refused)["owned"] == ("revise", "refused")
    assert shell.run("jobs", "show", "new-of-blue").returncode == 1
    # Other commands leave the owner as it is.
    assert shell.run("jobs", "apply", file).returncode == 0
    assert '"owner": "red"' in shell.run("jobs", "show", "owned").stdout
    taken = shell.run("apply", file, "--owner", "blue", "--take-over")
    assert taken.returncode == 0, taken.stderr
    assert '"owner": "blue"' in shell.run("jobs", "show", "owned").stdout
    usage = shell.run("apply", file, "--prune")
    assert (usage.returncode, "--owner" in usage.stderr) == (2, True)


def test_only_what_the_owner_made_is_pruned(shell: Shell, tmp_path: Path) -> None:
    kept, old, busy = a_job("kept"), a_job("old"), a_job("busy")
    schedule = a_schedule("old-nightly", "old")
    file = write(tmp_path / "jobs.json", kept, old, busy, schedule)
    others = write(tmp_path / "others.json", a_job("others"))
    assert shell.run("apply", file, "--owner", "green").returncode == 0
    assert shell.run("apply", others, "--owner", "grey").returncode == 0
    run = shell.run("run", "busy", "--no-wait").stdout.strip()
    write(tmp_path / "jobs.json", kept)
    words = ("apply", file, "--owner", "green", "--prune")

    unconfirmed = shell.run(*words)
    assert unconfirmed.returncode == 1
    assert "schedule old-nightly  to be deleted, version 1" in unconfirmed.stdout
    assert "nothing was changed: give --yes to delete schedule old-nightly" in unconfirmed.stderr
    pruned = shell.run(*words, "--yes", "--json")
    assert pruned.returncode == 1
    assert "job busy: runs of it are pending or running; cancel them" in pruned.stderr
    assert [*outcomes(pruned).items()] == [
        ("kept", ("keep", "unchanged")),
        ("old-nightly", ("delete", "done")),
        ("busy", ("delete", "failed")),
        ("old", ("delete", "done")),
    ]
    assert shell.run("runs", "cancel", run).returncode == 0
    with at_terminal(*words, directory=tmp_path, APPHUB_DATA_DIR=str(shell.data_dir)) as terminal:
        terminal.wait_for("Delete job busy? [y/N]")
        terminal.press("y\n")
        assert "job busy is deleted" in terminal.until_end()
    assert terminal.popen.returncode == 0
    assert shell.run("jobs", "show", "busy").returncode == 1
    assert shell.run("jobs", "show", "others").returncode == 0


def test_what_others_change_while_the_plan_is_confirmed_stays(shell: Shell, tmp_path: Path) -> None:
    file = write(tmp_path / "mine.json", a_job("raced"), a_job("raced-old"))
    words = ("apply", file, "--owner", "violet", "--prune")
    assert shell.run(*words).returncode == 0
    write(tmp_path / "mine.json", a_job("raced", priority=5))
    meanwhile = write(tmp_path / "meanwhile.json", a_job("raced", priority=7))
    with at_terminal(*words, directory=tmp_path, APPHUB_DATA_DIR=str(shell.data_dir)) as terminal:
        terminal.wait_for("Delete job raced-old? [y/N]")
        assert shell.run("jobs", "apply", meanwhile).returncode == 0
        terminal.press("y\n")
        output = terminal.until_end()
    assert "job raced: it has changed meanwhile, to version 2; apply again" in output
    assert "job raced-old: not deleted, because an earlier step failed" in output
    assert '"priority": 7' in shell.run("jobs", "show", "raced").stdout

    meanwhile = write(tmp_path / "meanwhile.json", a_job("raced-old", priority=7))
    with at_terminal(*words, directory=tmp_path, APPHUB_DATA_DIR=str(shell.data_dir)) as terminal:
        terminal.wait_for("Delete job raced-old? [y/N]")
        assert shell.run("jobs", "apply", meanwhile).returncode == 0
        terminal.press("y\n")
        output = terminal.until_end()
    assert "job raced is at version 3" in output
    kept = "job raced-old: it has changed meanwhile, to version 2, and was not deleted; apply again"
    assert kept in output
    assert terminal.popen.returncode == 1
    assert shell.run("jobs", "show", "raced-old").returncode == 0


def test_each_module_is_read_by_its_own_projects_python(shell: Shell, tmp_path: Path) -> None:
    for project in ("eu", "us"):
        packages = make_environment(tmp_path / project / ".venv")
        (packages / f"tariff_of_{project}.py").write_text(f"SLUG = 'tariff-{project}'\n")
        (tmp_path / project / "pyproject.toml").touch()
        (tmp_path / project / f"{project}_jobs.py").write_text(OF_PROJECT.format(project=project))
    planned = shell.run("apply", str(tmp_path), "--dry-run", "--json", VIRTUAL_ENV="")
    assert planned.returncode == 2, planned.stderr
    assert {*outcomes(planned)} == {"tariff-eu", "tariff-us"}


@pytest.mark.parametrize(
    ("definitions", "problem"),
    [
        ([a_job("wrong", priority="high")], "job wrong: /priority: "),
        ([a_job("wrong", parametersSchema={"type": "strange"})], "job wrong: /parametersSchema"),
        ([a_schedule("wrong", "no-such-job")], "schedule wrong: /job: there is no job no-such-job"),
        ([a_schedule("wrong", "right", cron="soon")], "schedule wrong: /cron: has five fields"),
        (
            [a_schedule("wrong", "right", parameters={"day": 1})],
            "schedule wrong: /parameters/day: ",
        ),
    ],
)
def test_a_dry_run_refuses_what_the_service_would(
    shell: Shell, tmp_path: Path, definitions: list[dict[str, Any]], problem: str
) -> None:
    schema = {"type": "object", "properties": {"day": {"type": "string"}}}
    file = write(tmp_path / "x.yaml", a_job("right", parametersSchema=schema), *definitions)
    for words in (("--dry-run",), ()):
        refused = shell.run("apply", file, *words)
        assert refused.returncode == 1
        assert problem in refused.stderr
        assert refused.stderr.endswith("nothing was changed\n")
    assert shell.run("jobs", "show", "right").returncode == 1


def test_a_job_that_others_schedules_launch_is_not_pruned(shell: Shell, tmp_path: Path) -> None:
    file = write(tmp_path / "mine.json", a_job("needed"), a_job("mine"))
    others = write(tmp_path / "others.json", a_schedule("needs-it", "needed"))
    assert shell.run("apply", file, "--owner", "white").returncode == 0
    assert shell.run("apply", others, "--owner", "black").returncode == 0
    write(tmp_path / "mine.json", a_job("mine"))
    refused = shell.run("apply", file, "--owner", "white", "--prune", "--yes")
    assert refused.returncode == 1
    assert "job needed: the schedule needs-it launches it" in refused.stderr
    assert shell.run("jobs", "show", "needed").returncode == 0


def test_two_applies_at_once_agree(shell: Shell, tmp_path: Path) -> None:
    jobs = [a_job(f"both-{number}") for number in range(20)]
    schedules = [a_schedule(f"both-{number}", f"both-{number}") for number in range(20)]
    file = write(tmp_path / "both.json", *jobs, *schedules)

    def apply(_: int) -> Done:
        return shell.run_process("apply", file, "--owner", "both", "--json")

    with ThreadPoolExecutor() as pool:
        done = [*pool.map(apply, range(2))]
    assert [one.returncode for one in done] == [0, 0], done
    versions = {json.loads(line)["version"] for one in done for line in one.stdout.splitlines()}
    assert versions == {1}
