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
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import IO

import psycopg

from api.embedded.account import PlacementError, hand_over_files, server_user
from api.embedded.cluster import Cluster, EmbeddedPostgresError
from api.embedded.placement import binaries, cluster_home, socket_directory

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


class EmbeddedPostgres:
    """The data directory's server, as one of its users sees it."""

    def __init__(
        self,
        data_dir: Path,
        *,
        makes_databases: bool = False,
        account: str | None = None,
    ) -> None:
        """Know a server that may not run yet.

        Args:
            data_dir: where all its files are, or will be.
            makes_databases: whether the service may drop and make databases, where this user is
                the one who makes the server.
            account: as whom the server runs if root starts it; else the service's own account.

        Raises:
            PlacementError: there is no account for it.
        """
        self.data_dir = data_dir
        self._makes_databases = makes_databases
        self._user = server_user(account)
        self._cluster = self._cluster_in(Path())
        self._seat: IO[bytes] | None = None
        self._leaving = threading.Event()
        self._group: int | None = None

    def _cluster_in(self, home: Path) -> Cluster:
        password = self.data_dir / "postgres.password"
        return Cluster(home, password, self._user, self._makes_databases)

    @property
    def _log(self) -> Path:
        return self.data_dir / "postgres.log"

    def start(self) -> str:
        """Join or start the server and return its URL.

        Until `stop`, it is started again whenever it dies.

        Raises:
            EmbeddedPostgresError: it cannot be started, or somebody else's server holds the
                directory.
        """
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._door():
            home = cluster_home(self.data_dir, self._user)
            self._cluster = self._cluster_in(home)
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
            with self._seat as seat:
                self._seat = None
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
            if not self._runs():
                self._clear_away()
                self._start_again()

    def _start_again(self) -> None:
        with self._door():
            if self._leaving.is_set():
                return
            # Tried again in a second; the server's log says why.
            with suppress(
                EmbeddedPostgresError,
                PlacementError,
                OSError,
                subprocess.SubprocessError,
                psycopg.Error,
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
        if not self._cluster.directory.exists():
            hand_over_files(self._cluster.home, self._user)
            self._cluster.create()
        deadline = monotonic() + START_TIMEOUT_S
        spawned = False
        while monotonic() < deadline:
            url = self._cluster.answering_url()
            if url is not None:
                return url
            with self._server_lock() as free:
                if free is not None:
                    if spawned:
                        raise EmbeddedPostgresError(
                            f"PostgreSQL stopped at once; see {self._log}"
                        )
                    self._spawn(free)
                    spawned = True
            sleep(POLL_S)
        process = self._cluster.postmaster() or "unknown"
        raise EmbeddedPostgresError(
            f"a PostgreSQL server (process {process}) holds {self._cluster.directory}"
            f" and does not answer; see {self._log}, and stop that server"
        )

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
        cluster = self._cluster
        hand_over_files(cluster.home, self._user)
        sockets = socket_directory(cluster.home, self._user)
        # Nobody works here, so what a killed server left says nothing; its pids may be somebody
        # else's by now.
        for left_over in (
            cluster.directory / "postmaster.pid",
            *sockets.glob(".s.PGSQL.*"),
        ):
            left_over.unlink(missing_ok=True)
        settings = {**_SETTINGS, "unix_socket_directories": str(sockets)}
        options: list[str] = []
        for name, value in settings.items():
            options += ["-c", f"{name}={value}"]
        program = binaries(self._user) / "postgres"
        command: list[str | Path] = [program, "-D", cluster.directory, *options]
        with self._open_log() as log:
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
                **cluster.as_user(),
            )
        shell.wait()
        self._group = shell.pid

    def _open_log(self) -> IO[bytes]:
        """Open the server's log, which quotes what statements held."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(self._log, flags, 0o600)
        os.fchmod(descriptor, 0o600)  # An older version's may be open to others.
        return os.fdopen(descriptor, "ab")

    def _shut_down(self) -> None:
        pid = self._cluster.postmaster()
        if pid is None or not self._runs():
            return
        os.kill(pid, signal.SIGINT)  # PostgreSQL's "fast shutdown".
        deadline = monotonic() + STOP_TIMEOUT_S
        while self._runs() and monotonic() < deadline:
            sleep(POLL_S)
