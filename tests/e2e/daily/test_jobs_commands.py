"""`jobs`, `apps` and `doctor`: what there is, how it changes, and whether all is well."""

import json

import pytest

from tests.e2e.daily.conftest import JOBS, Shell
from tests.support.git.repositories import repository

YAML = """\
slug: tidy
name: Tidy up
type: manual
entryPoint: test.tidy
timeoutMs: {timeout}
parametersSchema:
  type: object
  required: [days]
"""


def test_what_is_applied_again_makes_no_new_version(shell: Shell) -> None:
    done = shell.run("jobs", "apply", str(JOBS), "--json")
    assert done.returncode == 0, done.stderr
    plans = [json.loads(line) for line in done.stdout.splitlines()]
    assert {plan["slug"]: plan["action"] for plan in plans} == {
        "greet": "keep",
        "end-as": "keep",
        "steps": "keep",
        "steer": "keep",
    }


def test_changes_are_shown_first_and_make_a_version(shell: Shell) -> None:
    file = shell.directory / "tidy.yaml"
    file.write_text(YAML.format(timeout=1_000))
    assert "tidy  new" in shell.run("jobs", "diff", "tidy.yaml").stdout
    assert shell.run("jobs", "show", "tidy").returncode == 1
    assert "tidy is at version 1" in shell.run("jobs", "apply", "tidy.yaml").stderr
    file.write_text(YAML.format(timeout=2_000).replace("days", "weeks"))
    differences = shell.run("jobs", "diff", "tidy.yaml", "--exit-code")
    assert differences.returncode == 1
    for part in ("version 1 -> 2", "timeoutMs: 1000 -> 2000", "- - days", "+ - weeks"):
        assert part in differences.stdout
    applied = shell.run("jobs", "apply", "tidy.yaml")
    assert (applied.stdout, "version 2" in applied.stderr) == (differences.stdout, True)
    assert "unchanged, version 2" in shell.run("jobs", "apply", "tidy.yaml").stdout
    # What a file leaves out is as by default.
    file.write_text(YAML.format(timeout="null"))
    assert "timeoutMs: 2000 -> none" in shell.run("jobs", "apply", "tidy.yaml").stdout
    table = shell.run("jobs", "list").stdout
    assert "tidy" in table
    assert '"slug": "tidy"' in shell.run("jobs", "show", "tidy").stdout


@pytest.mark.parametrize("form", ["list", "documents"])
def test_a_file_may_hold_several_jobs(shell: Shell, form: str) -> None:
    slugs = [f"{form}-{number}" for number in range(2)]
    jobs = [{"slug": slug, "name": slug, "type": "batch", "entryPoint": "test.x"} for slug in slugs]
    text = json.dumps(jobs)
    if form == "documents":
        text = "\n---\n".join(map(json.dumps, jobs))
    (shell.directory / f"{form}.yaml").write_text(text)
    done = shell.run("jobs", "apply", f"{form}.yaml")
    assert [f"{slug} is at version 1" in done.stderr for slug in slugs] == [True] * 2


def test_a_job_is_paused_and_resumed(shell: Shell) -> None:
    paused = shell.run("jobs", "pause", "steps", "--reason", "the disk is full")
    assert (paused.returncode, paused.stderr) == (0, "steps is paused\n")
    assert "paused" in shell.run("jobs", "list").stdout
    assert '"reason": "the disk is full"' in shell.run("jobs", "show", "steps").stdout
    resumed = shell.run("jobs", "resume", "steps")
    assert (resumed.returncode, resumed.stderr) == (0, "steps is resumed\n")
    assert '"paused": null' in shell.run("jobs", "show", "steps").stdout
    unknown = shell.run("jobs", "pause", "nobody")
    assert (unknown.returncode, "job not found" in unknown.stderr) == (1, True)


def test_a_job_is_deleted_and_applied_anew(shell: Shell) -> None:
    job = {"slug": "once", "name": "Once", "type": "batch", "entryPoint": "test.x"}
    (shell.directory / "once.yaml").write_text(json.dumps(job))
    assert shell.run("jobs", "apply", "once.yaml").returncode == 0
    deleted = shell.run("jobs", "delete", "once")
    assert (deleted.returncode, deleted.stderr) == (0, "once is deleted\n")
    assert "once" not in shell.run("jobs", "list").stdout.split()
    assert shell.run("jobs", "delete", "once").returncode == 1
    assert "once is at version 2" in shell.run("jobs", "apply", "once.yaml").stderr


def test_a_repository_becomes_an_app(shell: Shell) -> None:
    checkout = repository(shell.directory, {"Dockerfile": "FROM scratch\n"}, "shop")
    added = shell.run("apps", "add", str(checkout))
    assert (added.returncode, added.stdout) == (0, "shop ready\n"), added.stderr
    assert "shop" in shell.run("apps", "list").stdout
    app = shell.run("apps", "show", "shop")
    assert '"ingestStatus": "ready"' in app.stdout
    assert "ingestion finished" in app.stdout


def test_the_doctor_says_what_works_and_what_does_not(shell: Shell) -> None:
    well = shell.run("doctor", "--database-url", shell.database_url)
    assert well.returncode == 0, well.stdout
    for part in (f"{shell.url} is ready", "PostgreSQL", "git version", "schema"):
        assert part in well.stdout
    ill = shell.run("doctor", "--json", "--handlers", "no.such.module")
    checks = {one["name"]: one for one in map(json.loads, ill.stdout.splitlines())}
    assert ill.returncode == 1
    assert checks["handlers"]["state"] == "wrong"
    assert "no.such.module" in checks["handlers"]["message"]
    assert checks["handlers"]["remedy"]
