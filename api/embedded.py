"""The private PostgreSQL of operators who bring none: created, started, shared and stopped.

First the server from the view of a process that uses it (`EmbeddedPostgres`), then its files
(`Cluster`), then its roles and its database. `server_placement.py` chooses its directories.

Any number of processes share one server: the first one starts it, the last one stops it. Locks of
the kernel show which processes use it, so a killed process does not count. The next process uses a
server that has outlived all its users.

In the data directory: `postgres` (the server's own directory, or a link to it), `postgres.log`,
`postgres.password`, and three locks: `postgres.lock` (one process at a time starts, joins or
leaves), `postgres.users` (shared by all processes that use the server) and `postgres.running` (held
by the server itself).
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

from api.server_placement import (
    PlacementError,
    ServerUser,
    binaries,
    cluster_home,
    hand_over_files,
    server_user,
    socket_directory,
)

DATABASE = "apphub"

SUPERUSER = "apphub"
"""The superuser that `initdb` creates. PostgreSQL needs it; it cannot log in."""

SERVICE = "apphub_jobs"
"""The role of the service, which owns the database. It creates the archivist's role, so it may
create roles."""

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
    """The data directory's server, from the view of one of the processes that use it."""

    def __init__(
        self, data_dir: Path, *, can_create_databases: bool = False, account: str | None = None
    ) -> None:
        """Describe a server, which may not exist yet.

        Args:
            data_dir: the directory of all its files.
            can_create_databases: whether the service may drop and create databases; counts if this
                process creates the server.
            account: the account that the server runs as if root starts it; None for the service's
                own account.

        Raises:
            PlacementError: there is no account for it.
        """
        self.data_dir = data_dir
        self._can_create_databases = can_create_databases
        self._user = server_user(account)
        self._cluster = self._cluster_in(Path())
        self._users_lock: IO[bytes] | None = None
        self._is_stopping = threading.Event()
        self._process_group: int | None = None

    def _cluster_in(self, home: Path) -> "Cluster":
        password = self.data_dir / "postgres.password"
        return Cluster(home, password, self._user, self._can_create_databases)

    @property
    def _log(self) -> Path:
        return self.data_dir / "postgres.log"

    def start(self) -> str:
        """Join or start the server and return its URL.

        Until `stop`, it is started again whenever it dies.

        Raises:
            EmbeddedPostgresError: it cannot be started, or another server holds the directory.
        """
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._transition_lock():
            home = cluster_home(self.data_dir, self._user)
            self._cluster = self._cluster_in(home)
            # Held for as long as this process lives; the kernel releases it if it is killed.
            users_lock = (self.data_dir / "postgres.users").open("ab")
            try:
                fcntl.flock(users_lock, fcntl.LOCK_SH)
                url = self._ensure_running()
            except BaseException:
                users_lock.close()
                raise
            self._users_lock = users_lock
        threading.Thread(target=self._watch, name="postgres watch", daemon=True).start()
        return url

    def stop(self) -> None:
        """Leave the server; stop it if no other process uses it."""
        self._is_stopping.set()
        with self._transition_lock():
            if self._users_lock is None:
                return
            with self._users_lock as users_lock:
                self._users_lock = None
                try:
                    fcntl.flock(users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return
                self._shut_down()

    @contextmanager
    def _transition_lock(self) -> Iterator[None]:
        """Let one process at a time start, join or leave the server."""
        with (self.data_dir / "postgres.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _watch(self) -> None:
        while not self._is_stopping.wait(WATCH_EVERY_S):
            if not self._is_running():
                self._reap_server()
                self._restart()

    def _reap_server(self) -> None:
        """Reap a server that has ended: one that a worker has adopted would stay a zombie."""
        if self._process_group is not None:
            with suppress(ChildProcessError):
                os.waitpid(-self._process_group, 0)
            self._process_group = None

    def _restart(self) -> None:
        with self._transition_lock():
            if self._is_stopping.is_set():
                return
            # The next attempt follows in a second; the server's log says why this one failed.
            with suppress(
                EmbeddedPostgresError,
                PlacementError,
                OSError,
                subprocess.SubprocessError,
                psycopg.Error,
            ):
                self._ensure_running()

    def _ensure_running(self) -> str:
        """Return the URL of the running server; create and start it first if need be."""
        if not self._cluster.directory.exists():
            hand_over_files(self._cluster.home, self._user)
            self._cluster.create()
        deadline = monotonic() + START_TIMEOUT_S
        is_spawned = False
        while monotonic() < deadline:
            url = self._cluster.reachable_url()
            if url is not None:
                return url
            with self._server_lock() as descriptor:
                if descriptor is not None:
                    if is_spawned:
                        raise EmbeddedPostgresError(f"PostgreSQL stopped at once; see {self._log}")
                    self._spawn(descriptor)
                    is_spawned = True
            sleep(POLL_S)
        process = self._cluster.postmaster_pid() or "unknown"
        raise EmbeddedPostgresError(
            f"a PostgreSQL server (process {process}) holds {self._cluster.directory}"
            f" and does not answer; see {self._log}, and stop that server"
        )

    @contextmanager
    def _server_lock(self) -> Iterator[int | None]:
        """Yield the descriptor of the server's lock; None while a server holds the lock.

        All processes of the server inherit the descriptor, so the lock shows whether any of them
        still runs, even in another container or after a kill. A pid file may be wrong.
        """
        with (self.data_dir / "postgres.running").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield lock.fileno()

    def _is_running(self) -> bool:
        with self._server_lock() as descriptor:
            return descriptor is None

    def _spawn(self, lock: int) -> None:
        cluster = self._cluster
        hand_over_files(cluster.home, self._user)
        sockets = socket_directory(cluster.home, self._user)
        # No server holds the lock, so these files are stale: their pids may be those of other
        # processes by now.
        for stale_file in (cluster.directory / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
            stale_file.unlink(missing_ok=True)
        settings = {**_SETTINGS, "unix_socket_directories": str(sockets)}
        options: list[str] = []
        for name, value in settings.items():
            options += ["-c", f"{name}={value}"]
        program = binaries(self._user) / "postgres"
        command: list[str | Path] = [program, "-D", cluster.directory, *options]
        with self._open_log() as log:
            # A shell starts the server and ends at once, so the server is not this process's child:
            # it may outlive the process that started it.
            shell = subprocess.Popen(  # noqa: S603
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                # Ctrl-C in the terminal stops this process, which then stops the server. The
                # server stays in this session: a worker takes adopted children of other sessions
                # for those of an ended supervisor, and kills them.
                process_group=0,
                **cluster.as_user(),
            )
        shell.wait()
        self._process_group = shell.pid

    def _open_log(self) -> IO[bytes]:
        """Open the server's log. It quotes values of statements, so only this user may read it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(self._log, flags, 0o600)
        os.fchmod(descriptor, 0o600)  # An older version's may be open to others.
        return os.fdopen(descriptor, "ab")

    def _shut_down(self) -> None:
        pid = self._cluster.postmaster_pid()
        if pid is None or not self._is_running():
            return
        os.kill(pid, signal.SIGINT)  # PostgreSQL's "fast shutdown".
        deadline = monotonic() + STOP_TIMEOUT_S
        while self._is_running() and monotonic() < deadline:
            sleep(POLL_S)


# The server's files: `initdb` creates them, the pid file names the server that uses them.

_SOCKET_LINE = 4
"""The index of the pid file's line that names the socket's directory."""


@dataclass(frozen=True)
class Cluster:
    """A server's files.

    Attributes:
        home: the server's own directory, which has the cluster in `data`.
        password: the file of the service's password, which only this user can read.
        user: the user that the server runs as.
        can_create_databases: whether the service may drop and create databases.
    """

    home: Path
    password: Path
    user: ServerUser
    can_create_databases: bool = False

    @property
    def directory(self) -> Path:
        """PostgreSQL's data directory."""
        return self.home / "data"

    def create(self) -> None:
        """Create the cluster with a new password; its directory appears complete or not at all.

        Raises:
            EmbeddedPostgresError: `initdb` failed.
        """
        password = secrets.token_urlsafe(24)
        self.password.touch(mode=0o600)
        self.password.write_text(password)
        unfinished = self.home / f"data.{secrets.token_hex(4)}"
        # The server's user cannot read this user's file, so `initdb` gets one that it can read.
        with tempfile.NamedTemporaryFile("w") as password_file:
            password_file.write(password)
            password_file.flush()
            if not self.user.is_current:
                os.chown(password_file.name, self.user.uid, self.user.gid)
            result = self._initdb(unfinished, password_file.name)
        if result.returncode != 0:
            reason = result.stderr.decode(errors="replace").strip()
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

    def reachable_url(self) -> str | None:
        """Return the service's URL if a server of this directory answers, else None.

        The database and the service's role are created if they are missing.
        """
        lines = self._pid_file()
        if len(lines) <= _SOCKET_LINE or not lines[_SOCKET_LINE]:
            return None
        socket = lines[_SOCKET_LINE]
        url = self._url(socket, SERVICE, DATABASE)
        try:
            _connect(url).close()
        except psycopg.OperationalError:
            try:
                self._prepare(socket)
            except psycopg.OperationalError:
                return None
        return url

    def _prepare(self, socket: str) -> None:
        """Prepare a new cluster, or one of an older version, for the service."""
        with _connect(self._url(socket, SUPERUSER, "postgres")) as connection:
            create_database(connection)
        with _connect(self._url(socket, SUPERUSER, DATABASE)) as connection:
            transfer_ownership(
                connection,
                self.password.read_text(),
                can_create_databases=self.can_create_databases,
            )

    def _url(self, socket: str, user: str, database: str) -> str:
        password = quote(self.password.read_text(), safe="")
        return f"postgresql://{user}:{password}@/{database}?host={quote(socket, safe='')}"

    def postmaster_pid(self) -> int | None:
        """Return the server's pid, if the pid file names a process that works in this directory."""
        lines = self._pid_file()
        if not lines or not lines[0].isdigit():
            return None
        pid = int(lines[0])
        if not Path("/proc/self").exists():
            return pid
        try:
            working_directory = Path(f"/proc/{pid}/cwd").readlink()
        except OSError:
            return None
        return pid if working_directory == self.directory else None

    def _pid_file(self) -> list[str]:
        try:
            return (self.directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def as_user(self) -> dict[str, Any]:
        """Return the arguments of `subprocess` that run a program as the server's user."""
        path = os.environ.get("PATH", os.defpath)
        return {**self.user.switch, "env": {"PATH": path, "LC_ALL": "C"}}


def _connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True, connect_timeout=5)


# The server's roles: the service owns its database, and no superuser can log in.
#
# PostgreSQL needs the superuser that created the cluster, but its password is removed. Clusters of
# older versions, whose services were superusers, are changed in the same way.

_TEST_PRIVILEGES = sql.SQL("CREATEDB IN ROLE pg_signal_backend")
"""Further privileges of a test service, which drops its database, even while autovacuum works
there, and creates it again."""

_OWNED_OBJECTS = """
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
"""For each object that migrations created, the beginning of the statement that changes its owner.
What belongs to a table or an extension changes with it."""

_HAS_ROLE = "SELECT rolname FROM pg_roles WHERE rolname = %s"

_ROLES_WITHOUT_LOGIN = """
    SELECT rolname FROM pg_roles WHERE oid >= 16384 AND NOT rolcanlogin
"""

Superuser = psycopg.Connection[tuple[str]]


def create_database(connection: "psycopg.Connection[tuple[object]]") -> None:
    """Create the service's database if it is missing.

    Args:
        connection: a superuser's, to another database.
    """
    query = "SELECT 1 FROM pg_database WHERE datname = %s"
    if connection.execute(query, (DATABASE,)).fetchone() is None:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())


def transfer_ownership(
    connection: Superuser, password: str, *, can_create_databases: bool = False
) -> None:
    """Make the service's role the owner of the database, and keep superusers from logging in.

    All of it is one transaction, so nothing is left to do where the role exists.

    Args:
        connection: a superuser's, to the service's database.
        password: of the service's role.
        can_create_databases: whether the service is a test service, which replaces its database.
    """
    privileges = _TEST_PRIVILEGES if can_create_databases else sql.SQL("")
    role = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {} {}")
    with connection.transaction():
        if connection.execute(_HAS_ROLE, (SERVICE,)).fetchone() is not None:
            return
        connection.execute(role.format(sql.Identifier(SERVICE), sql.Literal(password), privileges))
        for statement in _ownership_statements(connection):
            connection.execute(statement.encode())


def _ownership_statements(connection: Superuser) -> Iterator[str]:
    yield f"ALTER DATABASE {DATABASE} OWNER TO {SERVICE}"
    for (beginning,) in connection.execute(_OWNED_OBJECTS).fetchall():
        yield f"{beginning}{SERVICE}"
    for (role,) in connection.execute(_ROLES_WITHOUT_LOGIN).fetchall():
        yield f"GRANT {role} TO {SERVICE} WITH ADMIN OPTION"
    yield f"ALTER ROLE {SUPERUSER} PASSWORD NULL"
