"""A result that is costly to judge costs neither its worker's lease nor an innocent run."""

import json
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.support import launch, register, topics
from tests.support.logs import query
from tests.support.processes import started, wait_for_run

LETTERS = "".join(chr(number) for number in range(0x4E00, 0x4E00 + 1_000))

BOMB = {"type": "string", "pattern": rf"[{LETTERS}a]*\d"}
"""Searched without limits in the result below, it takes twenty seconds."""

PRINTING = "import json; print(json.dumps('a' * 900_000))"

BOMBS = 4


@pytest.mark.slow
@pytest.mark.usefixtures("api")
def test_a_worker_judges_bombs_and_keeps_its_lease(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    commands = tmp_path / "commands.json"
    commands.write_text(json.dumps({"letters": [sys.executable, "-c", PRINTING]}))
    register(client, "bomb", "command.letters", outputSchema=BOMB)
    register(client, "innocent", "test.wait")
    options = ("--slots", str(BOMBS + 1), "--lease-s", "5", "--commands", str(commands))
    handlers = ("--handlers", "tests.support.handlers")
    data = ("--data-dir", str(tmp_path / "data"))
    with started("worker", *options, *handlers, *data, APPHUB_DATABASE_URL=database_url):
        innocent = launch(client, "innocent", parameters={"forMs": 8_000})
        wait_for_run(client, innocent, "running")
        bombs = [launch(client, "bomb") for _ in range(BOMBS)]
        judged = [wait_for_run(client, bomb, timeout_s=90) for bomb in bombs]
        kept = wait_for_run(client, innocent)
    assert {run["failureReason"] for run in judged} == {"invalid_result"}
    assert kept["status"] == "succeeded"
    assert topics(client, innocent) == ["requested", "started", "succeeded"]
    [(workers,)] = query(database_url, "SELECT count(*) FROM workers")
    assert workers == 1
