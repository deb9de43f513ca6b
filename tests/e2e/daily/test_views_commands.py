"""`views`, and the runs of one."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.e2e.daily.conftest import Shell
from tests.e2e.daily.test_completion import completed
from tests.e2e.daily.test_runs_commands import launched

NAME = "Failed: end-as"


def listed(shell: Shell, *words: str) -> list[dict[str, Any]]:
    done = shell.run(*words, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_view_is_saved_used_and_deleted(shell: Shell) -> None:
    conditions = ["job=end-as", "status=failed"]
    done = shell.run("views", "save", NAME, *conditions, "--sort", "ended")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{NAME} is saved\n")
    [view] = listed(shell, "views", "list")
    assert (view["name"], view["filter"], view["sort"]) == (NAME, conditions, "ended")
    table = shell.run("views", "list").stdout.splitlines()
    assert table[1].split("  ")[0] == NAME
    assert table[1].endswith(" ".join(conditions))

    failed = launched(shell, "end-as", "status=failed")
    shell.run("runs", "watch", failed)
    launched(shell, "end-as", "status=canceled")
    shell.run("runs", "watch", "last")
    runs = listed(shell, "runs", "list", "--view", NAME)
    assert runs[0]["id"] == failed
    assert {run["status"] for run in runs} == {"failed"}
    narrowed = ("runs", "list", "--view", NAME, "createdBefore=3d", "--sort", "created")
    assert listed(shell, *narrowed) == []
    twice = shell.run("runs", "list", "--view", NAME, "status=expired")
    assert twice.returncode == 2

    there = {"APPHUB_DATA_DIR": str(shell.data_dir)}
    assert completed("apphub-jobs runs list --view Fai", **there) == {*NAME.split()}
    unknown = shell.run("runs", "list", "--view", "failed: end-as")
    assert unknown.returncode == 1
    assert f"did you mean {NAME}?; to see all saved views: apphub-jobs views list" in unknown.stderr
    then = datetime.now(UTC).isoformat()
    assert shell.run("views", "delete", NAME).stderr == f"{NAME} is deleted\n"
    assert "no saved views" in shell.run("views", "list").stdout
    assert listed(shell, "views", "list", "--as-of", then) == [view]
    gone = shell.run("views", "delete", NAME)
    assert (gone.returncode, "apphub-jobs views list" in gone.stderr) == (1, True)
    refused = shell.run("views", "save", "n" * 101, *conditions)
    assert (refused.returncode, "has at most 100 characters" in refused.stderr) == (1, True)
