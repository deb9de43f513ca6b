"""Secrets that an operator passes to handlers: they get them, and logs and errors do not."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.support import launch, register
from tests.support.processes import Process, started, wait_for_run

SECRET = "sk-0123456789abcdef"
PROXY = "http://me:proxys-password@127.0.0.1:9"

MODULE = """
import os, sys
from apphub_jobs import JobResult

def told(context):
    key = os.environ.get("API_KEY", "")
    print("half a line: " + key[:7], end="", flush=True)
    sys.stdout.write(key[7:] + "\\n")
    sys.stderr.write("whole: " + key + "\\n")
    print(os.environ.get("HTTPS_PROXY"))
    if context.parameters.get("fail") == "raise":
        raise ValueError("refused: " + key)
    if context.parameters.get("fail") == "return":
        return JobResult(status="failed", error_message="wrong: " + key)
    return JobResult(result=dict(os.environ))

async def shared(context):
    return told(context)

HANDLERS = {"passed.told": told, "passed.shared": shared}
"""


@pytest.fixture
def worker(api: Process, database_url: str, tmp_path: Path) -> Iterator[Process]:
    """Run a worker that passes a secret to one of its packages alone."""
    del api
    (tmp_path / "passed.py").write_text(MODULE)
    commands = tmp_path / "commands.json"
    printing = ["/bin/sh", "-c", 'echo "$API_KEY"; echo "{\\"key\\": \\"$OTHER_KEY\\"}"']
    commands.write_text(json.dumps({"keyed": {"command": printing, "passEnv": ["OTHER_KEY"]}}))
    arguments = (
        *("worker", "--data-dir", str(tmp_path / "data")),
        *("--handlers", str(tmp_path / "passed.py"), "--commands", str(commands)),
        *("--pass-env", "passed:API_KEY,UNSET_KEY"),
    )
    variables = {
        "APPHUB_DATABASE_URL": database_url,
        "API_KEY": SECRET,
        "OTHER_KEY": "another-secret",
        "HTTPS_PROXY": PROXY,
        "no_proxy": "localhost",
        "LC_TIME": "C.UTF-8",
        "UNMENTIONED": "stays here",
    }
    with started(*arguments, **variables) as process:
        process.wait_for_line("UNSET_KEY is not set here", errors=True)
        process.wait_for_line("is ready with", errors=True)
        yield process


def _ended(client: httpx.Client, slug: str, **parameters: Any) -> tuple[Any, str]:
    run = wait_for_run(client, launch(client, slug, parameters=parameters))
    return run, client.get(run["logsUrl"]).text


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("isolation", ["process", "shared"])
def test_a_secret_reaches_its_handlers_and_no_log_or_error(
    client: httpx.Client, isolation: str
) -> None:
    entry_point = {"process": "passed.told", "shared": "passed.shared"}[isolation]
    register(client, "told", entry_point, isolation=isolation)
    run, log = _ended(client, "told")
    environment = run["result"]
    assert environment["API_KEY"] == SECRET
    assert environment["HTTPS_PROXY"] == PROXY
    assert (environment["no_proxy"], environment["LC_TIME"]) == ("localhost", "C.UTF-8")
    assert not {"OTHER_KEY", "UNMENTIONED", "UNSET_KEY"} & set(environment)
    assert "half a line: ***" in log
    assert "whole: ***" in log
    assert "me:***@127.0.0.1" in log
    logs = [log]
    for how, message in (("raise", "refused: ***"), ("return", "wrong: ***")):
        run, log = _ended(client, "told", fail=how)
        assert run["errorMessage"] == message
        logs += [log, json.dumps(run)]
    assert not [text for text in logs if SECRET in text or "proxys-password" in text]


@pytest.mark.usefixtures("worker")
def test_a_command_gets_what_its_declaration_says(client: httpx.Client) -> None:
    register(client, "keyed", "command.keyed")
    run, log = _ended(client, "keyed")
    assert run["result"] == {"key": "another-secret"}
    assert "another-secret" not in log
    assert SECRET not in log
    assert "***" in log


def test_a_name_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    arguments = ("worker", "--data-dir", str(tmp_path / "data"), "--pass-env", "A-B")
    with started(*arguments, PATH=os.environ["PATH"]) as process:
        process.wait_for_line("--pass-env: 'A-B' is no name of a variable", errors=True)
        assert process.popen.wait(60) == 1
    assert not (tmp_path / "data").exists()
