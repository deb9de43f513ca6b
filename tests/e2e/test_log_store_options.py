"""The option --logs-store: what cannot work is said at the start, with what to do about it."""

from pathlib import Path

import httpx
import pytest

from tests.e2e.support import launch, register
from tests.support import s3
from tests.support.processes import run_to_end, started, wait_for_run

COMMANDS = ("up", "serve", "worker")


def _fails(command: str, logs_store: str, tmp_path: Path, **env: str) -> str:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    options = ("--data-dir", str(tmp_path), "--logs-store", logs_store)
    done = run_to_end(command, *options, APPHUB_DATABASE_URL=url, **env)
    assert done.returncode == 1
    assert done.stderr.startswith("apphub-jobs: ")
    assert "Traceback" not in done.stderr
    assert s3.SECRET not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("logs_store", "message"),
    [
        ("bucket", "give s3://BUCKET/PREFIX"),
        ("s3://", "give s3://BUCKET/PREFIX"),
        ("s3:///prefix", "give s3://BUCKET/PREFIX"),
        ("s3://bucket/prefix?region=x", "give s3://BUCKET/PREFIX"),
        ("s3://bucket/a//b", "empty path segment"),
        ("ftp://bucket", "give s3://BUCKET/PREFIX"),
        ("memory:///", "give s3://BUCKET/PREFIX"),
        ("file://elsewhere/logs", "give s3://BUCKET/PREFIX"),
        ("file:///dev/null/logs", "cannot use 'file:///dev/null/logs'"),
        ("s3://key:secret@bucket/prefix", "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_a_url_that_names_no_store_is_a_clear_error(
    logs_store: str, message: str, tmp_path: Path
) -> None:
    assert message in _fails("worker", logs_store, tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bucket_that_is_not_there_is_a_clear_error(
    command: str, s3_endpoint: str, tmp_path: Path
) -> None:
    message = _fails(command, "s3://no-such-bucket", tmp_path, **s3.variables(s3_endpoint))
    assert "NoSuchBucket" in message
    assert "the bucket must exist" in message


def test_a_wrong_secret_is_a_clear_error(s3_endpoint: str, tmp_path: Path) -> None:
    wrong = {**s3.variables(s3_endpoint), "AWS_SECRET_ACCESS_KEY": "another"}
    message = _fails("serve", f"s3://{s3.BUCKET}", tmp_path, **wrong)
    assert "SignatureDoesNotMatch" in message
    assert "AWS_SECRET_ACCESS_KEY" in message


def test_a_server_that_cannot_be_reached_is_a_clear_error(tmp_path: Path) -> None:
    message = _fails("worker", f"s3://{s3.BUCKET}", tmp_path, **s3.variables("http://127.0.0.1:1"))
    assert "http://127.0.0.1:1/" in message
    assert "AWS_ENDPOINT_URL" in message


def test_an_address_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    message = _fails("serve", f"s3://{s3.BUCKET}", tmp_path, **s3.variables("storage.example"))
    assert "AWS_ENDPOINT_URL is no URL" in message


@pytest.mark.slow
def test_up_hands_the_option_down_also_for_a_shared_disk(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    options = ("--data-dir", str(tmp_path / "data"), "--logs-store", f"file://{shared}")
    with (
        started("up", "--port", "0", *options, "--handlers", "tests.support.handlers") as process,
        httpx.Client(base_url=process.url(), timeout=90) as client,
    ):
        register(client, "echo", "test.echo")
        run = wait_for_run(client, launch(client, "echo"))
        log = client.get(run["logsUrl"]).raise_for_status().content
        assert b"printed by the handler" in log
        [file] = [path for path in shared.rglob("*") if path.is_file()]
        assert file.read_bytes() == log
