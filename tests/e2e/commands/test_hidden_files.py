"""Handlers reach nothing of the service: no environment, no key, no superuser, no log of others."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.embedded import roles
from tests.e2e.support import embedded_url, launch, register
from tests.support.handlers import reaching
from tests.support.processes import started, wait_for_run

TOKEN = "0123456789-a-token"
SECRET = "a-secret-of-the-operator"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that root's PostgreSQL may pass."""
    made = tmp_path_factory.mktemp("hidden")
    made.chmod(0o711)
    return made


@pytest.fixture(scope="module")
def data_dir(directory: Path) -> Path:
    return directory / "data"


@pytest.fixture(scope="module")
def named(directory: Path) -> dict[str, str]:
    """Return variables that name files of secrets outside of the data directory."""
    tokens = directory / "tokens.json"
    tokens.write_text(json.dumps({TOKEN: {"principal": "me", "role": "write"}}))
    credentials = directory / "credentials.json"
    entry = {"username": "me", "password": {"env": "GIT_PASSWORD"}}
    credentials.write_text(json.dumps({"git.example": entry}))
    for path in (tokens, credentials):
        path.chmod(0o600)
    return {
        "APPHUB_TOKENS_FILE": str(tokens),
        "APPHUB_GIT_CREDENTIALS": str(credentials),
        "GIT_PASSWORD": SECRET,
    }


@pytest.fixture(scope="module")
def client(data_dir: Path, named: dict[str, str]) -> Iterator[httpx.Client]:
    """Give a client of a whole service with its private PostgreSQL."""
    handlers = ("--handlers", "tests.support.handlers.reaching")
    arguments = ("up", "--port", "0", "--data-dir", str(data_dir), *handlers)
    with started(*arguments, **named) as process:
        _, url = process.wait_for_line("ready ", timeout_s=110).split()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=url, timeout=30, headers=headers) as client:
            register(client, "reach", "reaching.reach")
            yield client
        process.stop()
        assert "Traceback" not in "\n".join(process.errors)


def _reached(client: httpx.Client, **parameters: Any) -> dict[str, Any]:
    run = wait_for_run(client, launch(client, "reach", parameters=parameters))
    assert run["status"] == "succeeded", run["errorMessage"]
    return dict(run["result"])


def _secret_files(data_dir: Path, named: dict[str, str]) -> list[str]:
    """Return files that this test can read, and no handler shall."""
    found = [data_dir / name for name in ("postgres.password", "seal.key")]
    found += (data_dir / "postgres").resolve().glob("data/pg_hba.conf")
    found += (data_dir / "run-logs").rglob("*.log")
    found += [Path(path) for path in named.values() if path.startswith("/")]
    readable = [str(path) for path in found if path.exists()]
    assert all(Path(path).read_bytes() for path in readable)
    return readable


def test_a_handler_finds_no_secret_of_the_service(
    client: httpx.Client, data_dir: Path, named: dict[str, str]
) -> None:
    _reached(client)
    files = _secret_files(data_dir, named)
    assert len(files) >= 5
    seen = _reached(client, files=files)
    assert set(seen["files"].values()) <= {
        "[FileNotFoundError]",
        "[PermissionError]",
        "b''",
    }
    # Its supervisor, the worker, `up`, this test, and what is above.
    assert len(seen["above"]) >= 4
    for process in seen["above"].values():
        said = [process[name] for name in ("environ", "descriptors", "memory")]
        assert {*said, *process["root"]} == {"[PermissionError]"}


def test_a_file_that_is_replaced_is_hidden_from_the_next_run(
    client: httpx.Client, named: dict[str, str]
) -> None:
    _reached(client)
    tokens = Path(named["APPHUB_TOKENS_FILE"])
    rotated = tokens.with_suffix(".new")
    shutil.copy(tokens, rotated)
    rotated.replace(tokens)
    seen = _reached(client, files=[str(tokens)])
    assert seen["files"] == {str(tokens): "b''"}


def test_a_handlers_own_environment_tells_nothing_of_the_service(
    client: httpx.Client, named: dict[str, str]
) -> None:
    environment = _reached(client)["environment"]
    told = json.dumps(environment)
    assert not [
        name for name in environment if name.startswith(("APPHUB", "PG", "DATABASE"))
    ]
    assert not [value for value in named.values() if value in told]


def test_whoever_knew_the_password_would_be_no_superuser(
    client: httpx.Client, data_dir: Path
) -> None:
    url = embedded_url(data_dir)
    as_superuser = url.replace(f"//{roles.SERVICE}:", f"//{roles.SUPERUSER}:")
    without_password = f"postgresql://{roles.SUPERUSER}@/?{url.partition('?')[2]}"
    urls = [url, as_superuser, without_password]
    # Handlers do not even find the socket.
    refused = "[OperationalError]"
    assert _reached(client, urls=urls)["databases"] == [refused] * 3
    assert [reaching.tried_database(one) for one in urls] == ["False", refused, refused]


def test_only_the_service_itself_can_enter_what_it_keeps(
    client: httpx.Client, data_dir: Path
) -> None:
    run_id = launch(client, "reach")
    wait_for_run(client, run_id)
    # Root's PostgreSQL runs as somebody else, who must be able to pass.
    passing = stat.S_IXOTH if os.geteuid() == 0 else 0
    assert _mode(data_dir) == 0o700 | passing
    assert _mode(data_dir / "run-logs") == 0o700
    for file in ("postgres.log", "postgres.password", "seal.key"):
        assert _mode(data_dir / file) == 0o600


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
