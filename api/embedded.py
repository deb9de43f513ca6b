"""A private PostgreSQL in the data directory, for everyone who has none to offer.

Any number of processes share one server: whoever comes first starts it, whoever leaves last stops it. Locks of the
kernel tell who is there, so a process that was killed is never counted. A server that outlived its last user is
adopted by the next.
"""

import fcntl
import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any
from urllib.parse import quote

import psycopg

from api.embedded_placement import ServerUser, binaries, cluster_home, server_user, socket_directory

DATABASE = "apphub"
USER = "apphub"

START_TIMEOUT_S = 60.0
"""A server that crashed may have to replay its journal first."""

SPAWN_TIMEOUT_S = 2.0
"""By then a server that does not stop at once is to be seen among the processes."""

STOP_TIMEOUT_S = 30.0

WATCH_EVERY_S = 1.0

POLL_S = 0.05

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "logging_collector": "off",
}


class EmbeddedPostgresError(Exception):
    """The private server does not run; the message says why and what to do."""


class EmbeddedPostgres:
    """The data directory's server, as one of its users sees it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._user: ServerUser = server_user()
        self._home = Path()
        self._seat: IO[bytes] | None = None
        self._leaving = threading.Event()

    @property
    def _cluster(self) -> Path:
        return self._home / "data"

    def start(self) -> str:
        """Join or start the server and return its URL; it is started again whenever it dies, until `stop`.

        Raises:
            EmbeddedPostgresError: it cannot be started, or somebody else's server holds the directory.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._door():
            self._home = cluster_home(self.data_dir, self._user)
            # The seat is held for as long as this process lives, and given up by the kernel if it is killed.
            self._seat = (self.data_dir / "postgres.users").open("ab")
            fcntl.flock(self._seat, fcntl.LOCK_SH)
            url = self._ensure()
        threading.Thread(target=self._watch, name="postgres watch", daemon=True).start()
        return url

    def stop(self) -> None:
        """Leave; stop the server if nobody else uses it."""
        self._leaving.set()
        with self._door():
            if self._seat is None:
                return
            try:
                fcntl.flock(self._seat, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            finally:
                seat, self._seat = self._seat, None
            try:
                self._shut_down()
            finally:
                seat.close()

    @contextmanager
    def _door(self) -> Iterator[None]:
        """One process at a time starts, joins or leaves."""
        with (self.data_dir / "postgres.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _watch(self) -> None:
        while not self._leaving.wait(WATCH_EVERY_S):
            if self._pids():
                continue
            with self._door():
                if not self._leaving.is_set():
                    with suppress(EmbeddedPostgresError):  # Tried again in a second; the log says why.
                        self._ensure()

    def _ensure(self) -> str:
        """Return the URL of the running server, started if need be."""
        if not self._cluster.exists():
            self._create_cluster()
        deadline = monotonic() + START_TIMEOUT_S
        spawned_at: float | None = None
        while monotonic() < deadline:
            url = self._answering()
            if url is not None:
                return url
            if not self._pids():
                if spawned_at is None:
                    # Nobody works in the directory, so what a killed server left of its pid file says nothing.
                    (self._cluster / "postmaster.pid").unlink(missing_ok=True)
                    self._spawn()
                    spawned_at = monotonic()
                elif monotonic() > spawned_at + SPAWN_TIMEOUT_S:
                    raise EmbeddedPostgresError(f"PostgreSQL stopped at once; {self._log_hint()}")
            sleep(POLL_S)
        held = f"process {self._pids()[0]} holds {self._cluster}" if self._pids() else "PostgreSQL did not start"
        raise EmbeddedPostgresError(f"{held} and does not answer; {self._log_hint()}")

    def _create_cluster(self) -> None:
        password = self._home / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        handed_over = self._home / "password.initdb"
        handed_over.touch(mode=0o600)
        handed_over.write_text(password.read_text())
        unfinished = self._home / f"data.{secrets.token_hex(4)}"
        if self._user.drop:
            os.chown(handed_over, self._user.uid, self._user.gid)
        arguments = [
            f"--pgdata={unfinished}",
            f"--username={USER}",
            f"--pwfile={handed_over}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        done = subprocess.run(  # noqa: S603 - our own program and arguments
            [binaries(self._user) / "initdb", *arguments], cwd="/", capture_output=True, check=False, **self._as_user()
        )
        handed_over.unlink()
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"initdb failed: {done.stderr.decode(errors='replace').strip()}")
        unfinished.rename(self._cluster)

    def _spawn(self) -> None:
        settings = {**_SETTINGS, "unix_socket_directories": str(socket_directory(self._home, self._user))}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        command = [binaries(self._user) / "postgres", "-D", self._cluster, *options]
        with (self._home / "server.log").open("ab") as log:
            # By a shell that leaves at once: the server is nobody's child, for it may outlive whoever started it.
            subprocess.run(  # noqa: S603
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for us; the server is stopped in its turn.
                check=True,
                **self._as_user(),
            )

    def _shut_down(self) -> None:
        pid = self._postmaster()
        if pid is None:
            return
        os.kill(pid, signal.SIGINT)  # PostgreSQL's "fast shutdown".
        deadline = monotonic() + STOP_TIMEOUT_S
        while self._pids() and monotonic() < deadline:
            sleep(POLL_S)

    def _answering(self) -> str | None:
        """Return the URL if a server of this very directory answers; make our database there if it is new."""
        lines = self._pid_file()
        if len(lines) < 5 or not lines[4]:  # noqa: PLR2004 - the fifth line names the socket's directory
            return None
        password = quote((self._home / "password").read_text(), safe="")
        url = f"postgresql://{USER}:{password}@/{{}}?host={quote(lines[4], safe='')}"
        try:
            with psycopg.connect(url.format("postgres"), autocommit=True, connect_timeout=5) as connection:
                connection.execute("SELECT 1")
                known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
                if known is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return None
        return url.format(DATABASE)

    def _postmaster(self) -> int | None:
        lines = self._pid_file()
        pid = int(lines[0]) if lines and lines[0].isdigit() else None
        return pid if pid in self._pids() else None

    def _pid_file(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _pids(self) -> list[int]:
        """Return the processes that work in the cluster's directory: a server and its children, dead ones not."""
        if not Path("/proc/self").exists():
            return self._pids_by_ps()
        found = []
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if process.name.isdigit() and (process / "cwd").readlink() == self._cluster:
                    found.append(int(process.name))
        return found

    def _pids_by_ps(self) -> list[int]:
        # Without /proc (macOS): the server's command line names its directory.
        listing = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=True)  # noqa: S607
        lines = [line.strip().partition(" ") for line in listing.stdout.splitlines()]
        return [int(pid) for pid, _, command in lines if f"-D {self._cluster} " in command]

    def _as_user(self) -> dict[str, Any]:
        return {**self._user.drop, "env": {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}}

    def _log_hint(self) -> str:
        return f"see {self._home / 'server.log'}"
