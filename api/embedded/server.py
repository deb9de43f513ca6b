"""A private PostgreSQL in the data directory, for everyone who has none to offer.

Any number of processes share one server: whoever comes first starts it, whoever leaves last stops
it. Locks of the kernel tell who is there, so a process that was killed is never counted. A server
that outlived its last user is adopted by the next.

In the data directory: `postgres` (the server's own directory, or a link to it), `postgres.log`,
`postgres.password`, and three locks: `postgres.lock` (one at a time starts, joins or leaves),
`postgres.users` (shared by all who use the server) and `postgres.running` (held by the server
itself).
"""

import fcntl
import os
import secrets
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any
from urllib.parse import quote

import psycopg

from api.embedded.placement import (
    PlacementError,
    ServerUser,
    binaries,
    cluster_home,
    server_user,
    socket_directory,
)

DATABASE = "apphub"
USER = "apphub"

START_TIMEOUT_S = 60.0
"""A server that crashed may have to replay its journal first."""

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
        self._group: int | None = None

    @property
    def _cluster(self) -> Path:
        return self._home / "data"

    @property
    def _password(self) -> Path:
        return self.data_dir / "postgres.password"

    @property
    def _log(self) -> Path:
        return self.data_dir / "postgres.log"

    def start(self) -> str:
        """Join or start the server and return its URL; it is started again whenever it dies, until `stop`.

        Raises:
            EmbeddedPostgresError: it cannot be started, or somebody else's server holds the
                directory.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._door():
            self._home = cluster_home(self.data_dir, self._user)
            # The seat is held for as long as this process lives, and given up by the kernel if it
            # is killed.
            seat = (self.data_dir / "postgres.users").open("ab")
            try:
                fcntl.flock(seat, fcntl.LOCK_SH)
                url = self._ensure()
            except BaseException:
                seat.close()
                raise
            self._seat = seat
        threading.Thread(target=self._watch, name="postgres watch", daemon=True).start()
        return url

    def stop(self) -> None:
        """Leave; stop the server if nobody else uses it."""
        self._leaving.set()
        with self._door():
            if self._seat is None:
                return
            seat, self._seat = self._seat, None
            with seat:
                try:
                    fcntl.flock(seat, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return
                self._shut_down()

    @contextmanager
    def _door(self) -> Iterator[None]:
        """One process at a time starts, joins or leaves."""
        with (self.data_dir / "postgres.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _watch(self) -> None:
        while not self._leaving.wait(WATCH_EVERY_S):
            if self._runs():
                continue
            self._clear_away()
            with self._door():
                if not self._leaving.is_set():
                    # Tried again in a second; the server's log says why.
                    with suppress(
                        EmbeddedPostgresError, PlacementError, OSError, subprocess.SubprocessError
                    ):
                        self._ensure()

    def _clear_away(self) -> None:
        """Let a server that is ending not stay as a zombie, where a worker has adopted it."""
        if self._group is not None:
            with suppress(ChildProcessError):
                os.waitpid(-self._group, 0)
            self._group = None

    def _ensure(self) -> str:
        """Return the URL of the running server, started if need be."""
        if not self._cluster.exists():
            self._create_cluster()
        deadline = monotonic() + START_TIMEOUT_S
        spawned = False
        while monotonic() < deadline:
            url = self._answering()
            if url is not None:
                return url
            with self._server_lock() as free:
                if free is not None:
                    if spawned:
                        raise EmbeddedPostgresError(f"PostgreSQL stopped at once; see {self._log}")
                    self._spawn(free)
                    spawned = True
            sleep(POLL_S)
        raise EmbeddedPostgresError(
            f"a PostgreSQL server (process {self._postmaster() or 'unknown'}) holds {self._cluster}"
            f" and does not answer; see {self._log}, and stop that server"
        )

    def _create_cluster(self) -> None:
        self._password.touch(mode=0o600)
        self._password.write_text(secrets.token_urlsafe(24))
        unfinished = self._home / f"data.{secrets.token_hex(4)}"
        # Mode 0600, and the server's user may not pass ours.
        with tempfile.NamedTemporaryFile("w") as handed_over:
            handed_over.write(self._password.read_text())
            handed_over.flush()
            if self._user.drop:
                os.chown(handed_over.name, self._user.uid, self._user.gid)
            arguments = [
                f"--pgdata={unfinished}",
                f"--username={USER}",
                f"--pwfile={handed_over.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ]
            command: list[str | Path] = [binaries(self._user) / "initdb", *arguments]
            done: subprocess.CompletedProcess[bytes] = subprocess.run(  # noqa: S603 - our own program and arguments
                command, cwd="/", capture_output=True, check=False, **self._as_user()
            )
        if done.returncode != 0:
            raise EmbeddedPostgresError(
                f"initdb failed: {done.stderr.decode(errors='replace').strip()}"
            )
        unfinished.rename(self._cluster)

    @contextmanager
    def _server_lock(self) -> Iterator[int | None]:
        """Give the descriptor of the lock that a running server holds, or None while one does.

        The server and all its processes inherit the descriptor, so the kernel knows whether any of
        them still runs: whatever a pid file says, in whatever container they are, and however they
        ended.
        """
        with (self.data_dir / "postgres.running").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield lock.fileno()

    def _runs(self) -> bool:
        with self._server_lock() as free:
            return free is None

    def _spawn(self, lock: int) -> None:
        sockets = socket_directory(self._home, self._user)
        # Nobody works here, so what a killed server left says nothing; its pids may be somebody
        # else's by now.
        for left_over in (self._cluster / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
            left_over.unlink(missing_ok=True)
        settings = {**_SETTINGS, "unix_socket_directories": str(sockets)}
        options = [
            option for name, value in settings.items() for option in ("-c", f"{name}={value}")
        ]
        command: list[str | Path] = [
            binaries(self._user) / "postgres",
            "-D",
            self._cluster,
            *options,
        ]
        with self._log.open("ab") as log:
            # By a shell that leaves at once: the server is nobody's child, for it may outlive
            # whoever started it.
            shell = subprocess.Popen(  # noqa: S603
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                # Ctrl-C in the terminal is for us; the server is stopped in its turn. It stays in
                # our session, though: a worker takes what has become its child in another one for
                # what a supervisor left, and kills it.
                process_group=0,
                **self._as_user(),
            )
        shell.wait()
        self._group = shell.pid

    def _shut_down(self) -> None:
        pid = self._postmaster()
        if pid is None or not self._runs():
            return
        os.kill(pid, signal.SIGINT)  # PostgreSQL's "fast shutdown".
        deadline = monotonic() + STOP_TIMEOUT_S
        while self._runs() and monotonic() < deadline:
            sleep(POLL_S)

    def _answering(self) -> str | None:
        """Return the URL if a server of this very directory answers; make our database there if it is new."""
        lines = self._pid_file()
        if len(lines) < 5 or not lines[4]:  # noqa: PLR2004 - the fifth line names the socket's directory
            return None
        password = quote(self._password.read_text(), safe="")
        url = f"postgresql://{USER}:{password}@/{{}}?host={quote(lines[4], safe='')}"
        try:
            with psycopg.connect(
                url.format("postgres"), autocommit=True, connect_timeout=5
            ) as connection:
                connection.execute("SELECT 1")
                known = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
                ).fetchone()
                if known is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return None
        return url.format(DATABASE)

    def _postmaster(self) -> int | None:
        """Return the server's process, if the pid file names one that works in the cluster's directory."""
        lines = self._pid_file()
        if not (lines and lines[0].isdigit()):
            return None
        if Path("/proc/self").exists():
            try:
                return (
                    int(lines[0])
                    if Path(f"/proc/{lines[0]}/cwd").readlink() == self._cluster
                    else None
                )
            except OSError:
                return None
        return int(lines[0])

    def _pid_file(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _as_user(self) -> dict[str, Any]:
        return {
            **self._user.drop,
            "env": {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        }
