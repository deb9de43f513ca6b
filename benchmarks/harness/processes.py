"""Measured processes: started from the repository's directory, stopped whatever happens."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import psycopg
from psycopg.conninfo import conninfo_to_dict

ROOT = Path(__file__).resolve().parents[2]

READY_S = 20.0

STOP_S = 30.0

POLL_S = 0.02


class BrokenError(Exception):
    """Something that is to be measured does not work; the message says what it said."""


@contextmanager
def running(
    command: Sequence[str], env: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command with its output in a file."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_clean(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(command: Sequence[str], env: Mapping[str, str]) -> None:
    """Run a command to its end.

    Raises:
        BrokenError: it failed.
    """
    done = subprocess.run(
        command, cwd=ROOT, env=_clean(env), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BrokenError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module in this environment."""
    return [sys.executable, "-m", module, *arguments]


def program(name: str, *arguments: str) -> list[str]:
    """Return the command that runs an installed program of this environment."""
    return [str(Path(sys.executable).parent / name), *arguments]


def ready_url(log: Path, process: subprocess.Popen[bytes], within_s: float = READY_S) -> str:
    """Wait for the line `ready URL` and return the URL.

    Raises:
        BrokenError: the process ended, or said nothing for too long.
    """

    def latest_url() -> str | None:
        ready = [line for line in log.read_text().splitlines() if line.startswith("ready ")]
        return ready[-1].split()[1] if ready else None

    deadline = monotonic() + within_s
    while not (url := latest_url()):
        if process.poll() is not None or monotonic() > deadline:
            raise BrokenError(f"no server: {log.read_text()}")
        sleep(POLL_S)
    return url


def count(url: str, sql: str) -> int:
    """Return what a query counts."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(sql.encode()).fetchone()
    return 0 if row is None else int(row[0])


def wait_for_count(url: str, sql: str, at_least: int, timeout_s: float = READY_S) -> None:
    """Wait until a query counts this many.

    Raises:
        BrokenError: it did not for too long.
    """
    deadline = monotonic() + timeout_s
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            row = connection.execute(sql.encode()).fetchone()
            if row is not None and int(row[0]) >= at_least:
                return
            if monotonic() > deadline:
                raise BrokenError(f"{sql}: {row}, not {at_least}, after {timeout_s:.0f} s")
            sleep(POLL_S)


def libpq_variables(url: str) -> dict[str, str]:
    """Return the environment in which libpq and asyncpg connect to this database."""
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
    }
    parameters = conninfo_to_dict(url)
    return {names[name]: str(value) for name, value in parameters.items() if name in names}


def _clean(env: Mapping[str, str]) -> dict[str, str]:
    ours = ("APPHUB_", "DATABASE_URL", "PG", "PROCRASTINATE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # What is measured is this very directory, whatever else is installed.
    return {**inherited, "PYTHONPATH": str(ROOT), **env}
