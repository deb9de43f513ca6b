"""The private PostgreSQL of operators who bring none: made, started, shared and stopped.

First its roles and database, then its files (`Cluster`), then the server as one of its users sees
it (`EmbeddedPostgres`). `data_directory.py` says where its data lie.

Any number of processes share one server: the first one starts it, the last one stops it. Locks of
the kernel tell which processes use it, so a killed process is never counted. A server that outlived
its last user is adopted by the next one.

In the data directory: `postgres` (the server's own directory, or a link to it), `postgres.log`,
`postgres.password`, and three locks: `postgres.lock` (one process at a time starts, joins or
leaves), `postgres.users` (shared by all that use the server) and `postgres.running` (held by the
server itself).
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
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from api.data_directory import (
    PlacementError,
    ServerUser,
    binaries,
    cluster_home,
    hand_over_files,
    server_user,
    socket_directory,
)

# The private server's roles: the service owns its database, and no superuser can log in.
#
# The superuser that made the cluster remains, for PostgreSQL needs it, but it has no password any
# more. Servers of older versions, whose services were superusers, are changed in the same way.

DATABASE = "apphub"

SUPERUSER = "apphub"
"""Made with the cluster."""

SERVICE = "apphub_jobs"
"""As whom the service works. It makes the archivist's role, so it may make roles."""

_MAKES_DATABASES = sql.SQL("CREATEDB IN ROLE pg_signal_backend")
"""What a service for tests may besides: it drops its database, also while autovacuum works there,
and makes it anew."""

_OURS = """
    SELECT format('ALTER TABLE %s OWNER TO ', class.oid::regclass)
    FROM pg_class AS class
    WHERE relowner = current_user::regrole AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND relpersistence <> 't' AND class.oid >= 16384
        AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = class.oid
                AND deptype IN ('a', 'i', 'e')
        )
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO ', routine.oid::regprocedure)
    FROM pg_proc AS routine
    WHERE proowner = current_user::regrole AND oid >= 16384
        AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = routine.oid
                AND deptype = 'e'
        )
"""
"""What a migration made, by the beginning of the statement that gives it to somebody else. What
belongs to a table or an extension goes with it."""

_IS_HANDED_OVER = "SELECT rolname FROM pg_roles WHERE rolname = %s"

_ROLES_WITHOUT_LOGIN = """
    SELECT rolname FROM pg_roles WHERE oid >= 16384 AND NOT rolcanlogin
"""

Superuser = psycopg.Connection[tuple[str]]


def make_database(connection: "psycopg.Connection[tuple[object]]") -> None:
    """Make the service's database if it is not there yet; by a superuser, elsewhere."""
    query = "SELECT 1 FROM pg_database WHERE datname = %s"
    if connection.execute(query, (DATABASE,)).fetchone() is None:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())


def hand_over(connection: Superuser, password: str, *, makes_databases: bool = False) -> None:
    """Give the database to the service's role, and let no superuser log in again.

    Where the role is there, all of this has been done, and the server only did not answer yet.

    Args:
        connection: a superuser's, to the service's database. All happens in one transaction.
        password: of the service's role.
        makes_databases: the service is one for tests, which replaces its database.
    """
    more = _MAKES_DATABASES if makes_databases else sql.SQL("")
    role = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {} {}")
    with connection.transaction():
        if connection.execute(_IS_HANDED_OVER, (SERVICE,)).fetchone() is not None:
            return
        connection.execute(role.format(sql.Identifier(SERVICE), sql.Literal(password), more))
        for statement in _statements(connection):
            connection.execute(statement.encode())


def _statements(connection: Superuser) -> Iterator[str]:
    yield f"ALTER DATABASE {DATABASE} OWNER TO {SERVICE}"
    ours = connection.execute(_OURS).fetchall()
    for (beginning,) in ours:
        yield f"{beginning}{SERVICE}"
    roles = connection.execute(_ROLES_WITHOUT_LOGIN).fetchall()
    for (role,) in roles:
        yield f"GRANT {role} TO {SERVICE} WITH ADMIN OPTION"
    yield f"ALTER ROLE {SUPERUSER} PASSWORD NULL"


# The private server's files: `initdb` makes them, the pid file says which server uses them.

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

    def _initdb(self, target: Path, password_file: str) -> "subprocess.CompletedProcess[bytes]":
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
            hand_over(connection, self.password.read_text(), makes_databases=self.makes_databases)

    def _url(self, socket: str, user: str, database: str) -> str:
        password = quote(self.password.read_text(), safe="")
        return f"postgresql://{user}:{password}@/{database}?host={quote(socket, safe='')}"

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
        self, data_dir: Path, *, makes_databases: bool = False, account: str | None = None
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
                        raise EmbeddedPostgresError(f"PostgreSQL stopped at once; see {self._log}")
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
        for left_over in (cluster.directory / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
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
