"""`workers`: who executes runs, and who is told to come to its end."""

import json

from tests.e2e.daily.conftest import Shell
from tests.support.logs import query

MADE_UP = """
    INSERT INTO workers (id, host, pid, slots, lease_ms, entry_points, labels)
    VALUES ('made-up', 'h', 1, 2, 3600000, '{report.daily,report.monthly}', '{"zone": "eu"}')
    RETURNING id
"""

GONE = """
    UPDATE workers SET dead_at = clock_timestamp(), left_at = clock_timestamp()
    WHERE id = 'made-up' RETURNING id
"""


def test_workers_are_listed_and_drained(shell: Shell) -> None:
    query(shell.database_url, MADE_UP)
    lines = shell.run("workers", "list", "--json").stdout.splitlines()
    workers = {worker["id"]: worker for worker in map(json.loads, lines)}
    [real] = [one for one in workers.values() if one["id"] != "made-up"]
    assert {"greet", "steps"} <= set(real["entryPoints"])
    assert (real["state"], real["version"] is None) == ("alive", False)
    done = shell.run("workers", "drain", "made-up")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "made-up is draining: 0 runs are left\n"
    table = shell.run("workers", "list").stdout
    [line] = [line for line in table.splitlines() if line.startswith("made-up")]
    assert line.split()[:3] == ["made-up", "draining", "0/2"]
    assert line.endswith("zone=eu  report.daily report.monthly")
    query(shell.database_url, GONE)
    done = shell.run("workers", "drain", "made-up")
    assert done.returncode == 1
    assert "worker not found; to see all workers: apphub-jobs workers list" in done.stderr


FAR_AWAY = """\
slug: far-away
name: Far away
type: manual
entryPoint: greet
workerLabels: {zone: mars}
"""


def test_a_launch_that_no_worker_has_the_labels_for_is_warned_of(shell: Shell) -> None:
    (shell.directory / "far-away.yaml").write_text(FAR_AWAY)
    assert shell.run("jobs", "apply", "far-away.yaml").returncode == 0
    done = shell.run("run", "far-away", "name=Ada", "--no-wait")
    assert done.returncode == 0
    assert "warning: no living worker has the labels zone=mars" in done.stderr
    run_id = done.stdout.strip()
    explanation = shell.run("runs", "explain", run_id).stdout
    assert "no_worker_has_labels" in explanation
    shell.run("runs", "cancel", run_id)


NOBODYS = """\
slug: nobodys
name: Nobodys
type: manual
entryPoint: no.such.handler
"""


def test_a_job_whose_entry_point_no_worker_offers_is_warned_of(shell: Shell) -> None:
    (shell.directory / "nobodys.yaml").write_text(NOBODYS)
    assert shell.run("jobs", "apply", "nobodys.yaml").returncode == 0
    warning = "warning: no living worker offers no.such.handler"
    done = shell.run("jobs", "show", "nobodys", "--json")
    assert warning in done.stderr
    assert json.loads(done.stdout)["entryPoint"] == "no.such.handler"
    done = shell.run("run", "nobodys", "--no-wait")
    assert done.returncode == 0
    assert warning in done.stderr
    shell.run("runs", "cancel", done.stdout.strip())
    assert shell.run("jobs", "show", "greet").stderr == ""
