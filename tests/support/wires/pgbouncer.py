"""A real PgBouncer in front of a test's database."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.ports import free_port
from tests.support.processes import eventually


@contextmanager
def pgbouncer(server_url: str, *, pool_mode: str, max_prepared_statements: int) -> Iterator[str]:
    """Give the URL that leads through it; skip where it is not installed and not demanded."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        if os.environ.get("APPHUB_TEST_POOLER") == "required":
            pytest.fail("PgBouncer is not installed")
        pytest.skip("PgBouncer is not installed")
    port = free_port()
    server = conninfo_to_dict(server_url)
    names = ("host", "port", "user", "password", "dbname")
    reached = " ".join(f"{name}={server[name]}" for name in names if server.get(name))
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": pool_mode,
        "max_prepared_statements": max_prepared_statements,
        "ignore_startup_parameters": "extra_float_digits",
    }
    lines = ["[databases]", f"pooled = {reached}", "[pgbouncer]"]
    lines += [f"{name} = {value}" for name, value in settings.items()]
    with TemporaryDirectory() as directory:
        file = Path(directory) / "pgbouncer.ini"
        file.write_text("\n".join(lines))
        process = subprocess.Popen(
            [program, "-q", str(file)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **_as_servers_user(Path(directory), server),
        )
        url = f"postgresql://somebody@127.0.0.1:{port}/pooled"
        try:
            eventually(lambda: _answers(url), what="PgBouncer answering")
            yield url
        finally:
            process.terminate()
            process.wait(90)


def _as_servers_user(directory: Path, server: Mapping[str, Any]) -> dict[str, Any]:
    """Return as whom it runs: it refuses root, and must reach the embedded server's socket."""
    if os.geteuid() != 0:
        return {}
    host = str(server.get("host"))
    user = Path(host).owner() if host.startswith("/") else "nobody"
    account = pwd.getpwnam(user)
    os.chown(directory, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid}


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
