"""`failures`: what fails, and what is said of it."""

import json
import re
from typing import Any

from tests.e2e.daily.conftest import Shell
from tests.support.processes import eventually

ATTEMPTS = 2
"""Of a run of the job that ends as told."""


def listed(shell: Shell, *options: str) -> list[dict[str, Any]]:
    lines = shell.run("failures", "list", "--json", *options).stdout.splitlines()
    return [json.loads(line) for line in lines]


def listed_group(shell: Shell) -> tuple[dict[str, Any], str] | None:
    """Return the group of the job that ends as told, and its line in the table.

    None where these do not agree, or not all attempts are counted: they are noted a moment after
    they have failed.
    """
    [group] = listed(shell, "--job", "end-as", "--status", "open") or [{"count": 0}]
    if group["count"] < ATTEMPTS:
        return None
    columns = [group["fingerprint"], "open", "end-as", str(group["count"])]
    for line in shell.run("failures", "list").stdout.splitlines():
        if line.split()[:4] == columns:
            return group, line
    return None


def test_failures_are_listed_and_resolved(shell: Shell) -> None:
    assert shell.run("run", "end-as", "status=failed").returncode == 3
    group, line = eventually(lambda: listed_group(shell), what="the group")
    name = group["fingerprint"]
    assert line.endswith("as it was told")
    output = shell.run("failures", "show", name).stdout
    assert output.startswith(f"end-as open {name}\nas it was told\n")
    # Attempts of other tests' runs may be counted meanwhile.
    assert re.search(r"failures    \d+, of which 0 recovered since", output), output
    assert f"apphub-jobs failures resolve {name}" in output
    times = json.loads(shell.run("failures", "show", name, "--json").stdout)["overTime"]["buckets"]
    assert sum(bucket["failures"] for bucket in times) >= group["count"]
    assert re.search(r"last day +[·▁-█]{48} [1-9]\d*$", output, re.MULTILINE), output
    for action, status in (("ignore", "ignored"), ("reopen", "open")):
        done = shell.run("failures", action, name)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"{name} is {status}: {group['title']}\n"
    retried = ("failures", "retry", name)
    assert "runs at position" in shell.run(*retried, "--dry-run").stdout
    done = shell.run(*retried)
    assert (done.returncode, "--reason TEXT" in done.stderr) == (2, True)
    done = shell.run(*retried, "--reason", "mended", "--wait", "--json")
    operation = json.loads(done.stdout)
    assert operation["done"] == operation["total"] >= 1
    launched = ("bulk", "runs", operation["id"])
    runs = [json.loads(line) for line in shell.run(*launched, "--json").stdout.splitlines()]
    assert len(runs) == operation["done"]
    assert group["sampleRun"] in {run["context"]["retryOf"] for run in runs}
    assert re.search(r"\d+ (pending|running|failed|succeeded)", shell.run(*launched).stderr)
    shell.run("failures", "resolve", name, "--in-version", "1")
    assert (
        json.loads(shell.run("failures", "show", name, "--json").stdout)["resolvedInVersion"] == 1
    )
    done = shell.run("failures", "resolve", "0000")
    assert done.returncode == 1
    assert "failure not found" in done.stderr


def test_a_retry_with_other_parameters_counts_as_a_recovery(shell: Shell) -> None:
    def group(status: str) -> dict[str, Any] | None:
        groups = listed(shell, "--job", "steer", "--status", status)
        return next((one for one in groups if one["title"] == "avoidable"), None)

    assert shell.run("run", "steer", "letters=avoidable", "fails=true").returncode == 3
    name = eventually(lambda: group("open"), what="the group")["fingerprint"]
    shell.run("failures", "retry", name, "--set", "fails=false", "--reason", "avoided")
    eventually(lambda: group("resolved"), what="the recovery")
    output = shell.run("failures", "show", name).stdout
    assert re.search(r"failures    1, of which 1 recovered since$", output, re.MULTILINE), output
