"""The private server's files: `initdb` makes them, the pid file says which server works there."""

import os
import secrets
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from api.embedded.account import ServerUser
from api.embedded.placement import binaries
from api.embedded.roles import DATABASE, SERVICE, SUPERUSER, hand_over, make_database

_SOCKET_LINE = 4
"""In the pid file: the fifth line names the socket's directory."""


class EmbeddedPostgresError(Exception):
    """The private server does not run; the message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A server's files.

    Attributes:
        home: the server's own directory, which has the cluster in `data`.
        password: the file of the service's password, ours alone.
        user: as whom the server runs.
        makes_databases: whether the service may drop and make databases.
    """

    home: Path
    password: Path
    user: ServerUser
    makes_databases: bool = False

    @property
    def directory(self) -> Path:
        """Where PostgreSQL keeps everything."""
        return self.home / "data"

    def create(self) -> None:
        """Make the cluster, under a new password; it appears whole or not at all.

        Raises:
            EmbeddedPostgresError: PostgreSQL's own program for it failed.
        """
        password = secrets.token_urlsafe(24)
        self.password.touch(mode=0o600)
        self.password.write_text(password)
        suffix = secrets.token_hex(4)
        unfinished = self.home / f"data.{suffix}"
        # Mode 0600, and the server's user may not pass ours.
        with tempfile.NamedTemporaryFile("w") as handed_over:
            handed_over.write(password)
            handed_over.flush()
            if self.user.drop:
                os.chown(handed_over.name, self.user.uid, self.user.gid)
            done = self._initdb(unfinished, handed_over.name)
        if done.returncode != 0:
            reason = done.stderr.decode(errors="replace").strip()
            raise EmbeddedPostgresError(f"initdb failed: {reason}")
        unfinished.rename(self.directory)

    def _initdb(
        self, target: Path, password_file: str
    ) -> "subprocess.CompletedProcess[bytes]":
        command: list[str | Path] = [
            binaries(self.user) / "initdb",
            f"--pgdata={target}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        return subprocess.run(  # noqa: S603 - our own program and arguments
            command, cwd="/", capture_output=True, check=False, **self.as_user()
        )

    def answering_url(self) -> str | None:
        """Return the service's URL if a server of this very directory answers.

        Database and role are made if they are not there yet.
        """
        lines = self._pid_file()
        if len(lines) <= _SOCKET_LINE or not lines[_SOCKET_LINE]:
            return None
        socket = lines[_SOCKET_LINE]
        url = self._url(socket, SERVICE, DATABASE)
        if not _answers(url):
            try:
                self._prepare(socket)
            except psycopg.OperationalError:
                return None
        return url

    def _prepare(self, socket: str) -> None:
        """Make a new cluster, or one of an older version, ready for the service."""
        with _connected(self._url(socket, SUPERUSER, "postgres")) as connection:
            make_database(connection)
        with _connected(self._url(socket, SUPERUSER, DATABASE)) as connection:
            hand_over(
                connection,
                self.password.read_text(),
                makes_databases=self.makes_databases,
            )

    def _url(self, socket: str, user: str, database: str) -> str:
        password = quote(self.password.read_text(), safe="")
        return (
            f"postgresql://{user}:{password}@/{database}?host={quote(socket, safe='')}"
        )

    def postmaster(self) -> int | None:
        """Return the server's process, if the pid file names one that works in this directory."""
        lines = self._pid_file()
        if not lines or not lines[0].isdigit():
            return None
        pid = int(lines[0])
        if not Path("/proc/self").exists():
            return pid
        try:
            works_in = Path(f"/proc/{pid}/cwd").readlink()
        except OSError:
            return None
        if works_in != self.directory:
            return None
        return pid

    def _pid_file(self) -> list[str]:
        try:
            return (self.directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def as_user(self) -> dict[str, Any]:
        """Return what `subprocess` needs to run one of the server's programs."""
        path = os.environ.get("PATH", os.defpath)
        return {**self.user.drop, "env": {"PATH": path, "LC_ALL": "C"}}


def _connected(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True, connect_timeout=5)


def _answers(url: str) -> bool:
    try:
        _connected(url).close()
    except psycopg.OperationalError:
        return False
    return True
