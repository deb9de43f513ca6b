"""What the figures depend on: the machine, the versions, the server's settings, the commit."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psycopg

from benchmarks.harness.load import generator
from benchmarks.harness.processes import ROOT

PACKAGES = (
    "eventsourcing",
    "fastapi",
    "uvicorn",
    "uvloop",
    "psycopg",
    "procrastinate",
    "pgqueuer",
    "asyncpg",
)

SETTINGS = ("server_version", "fsync", "synchronous_commit", "shared_buffers")


def described(server: str) -> dict[str, str]:
    """Return it all, by what it is."""
    with psycopg.connect(server, autocommit=True) as connection:
        settings = {name: _setting(connection, name) for name in SETTINGS}
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "processors": str(os.cpu_count()),
        "processor": _processor(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": settings.pop("server_version"),
    }
    return {**facts, **settings, **_versions(), "HTTP load by": generator()}


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute(f"SHOW {name}".encode()).fetchone()
    return "" if row is None else str(row[0])


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = " and changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + changed


def _processor() -> str:
    try:
        match = re.search(
            r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE
        )
    except OSError:
        match = None
    return match[1] if match else platform.machine()
