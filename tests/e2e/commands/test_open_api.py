"""An API without tokens is for its own machine, unless its operator insists."""

import json
from pathlib import Path

import httpx
import pytest

from tests.support.processes import Process, started

WARNING = "the API has no tokens and listens on 0.0.0.0"


@pytest.mark.parametrize("command", ["serve", "up"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_it_does_not_listen_elsewhere_and_nothing_is_started(
    tmp_path: Path, command: str, host: str
) -> None:
    data_dir = tmp_path / "data"
    process = Process([command, "--host", host, "--data-dir", str(data_dir)], {})
    line = process.wait_for_line("--tokens-file", errors=True)
    assert "--insecure" in line
    assert process.popen.wait(60) == 1
    assert not data_dir.exists()


@pytest.mark.parametrize("command", ["serve", "up"])
def test_a_file_with_an_empty_token_starts_nothing(tmp_path: Path, command: str) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"": {"principal": "x", "role": "write"}}))
    data_dir = tmp_path / "data"
    arguments = ["--tokens-file", str(tokens), "--data-dir", str(data_dir)]
    process = Process([command, *arguments], {})
    process.wait_for_line("token 1 is empty", errors=True)
    assert process.popen.wait(60) == 1
    assert not data_dir.exists()


def test_who_insists_is_warned_at_each_start(tmp_path: Path, database_url: str) -> None:
    arguments = ("serve", "--host", "0.0.0.0", "--port", "0")
    directory = ("--data-dir", str(tmp_path))
    for _ in range(2):
        with started(
            *arguments,
            *directory,
            APPHUB_DATABASE_URL=database_url,
            APPHUB_INSECURE="1",
            APPHUB_ALLOWED_HOSTS="jobs.example other.example",
        ) as process:
            port = httpx.URL(process.url()).port
            process.wait_for_line(WARNING, errors=True)
            for host in ("jobs.example", f"other.example:{port}", "192.0.2.7"):
                answer = httpx.get(f"http://127.0.0.1:{port}/jobs", headers={"Host": host})
                assert answer.status_code == 200


def test_on_its_own_machine_it_is_quiet(tmp_path: Path, database_url: str) -> None:
    with started(
        "serve", *("--port", "0", "--data-dir", str(tmp_path)), APPHUB_DATABASE_URL=database_url
    ) as process:
        process.url()
        process.stop()
        assert not [line for line in process.errors if "no tokens" in line]
