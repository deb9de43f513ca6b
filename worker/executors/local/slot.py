"""A slot for attempts: a handlers' process with its supervisor, started ahead of its first task."""

import asyncio
import fcntl
import json
import logging
import math
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import orjson
import uvloop

from apphub_jobs.process.handlers import SERVICE_PACKAGES, SERVICE_ROOT
from runtime.tasks import start_once
from worker.executors.local import hiding, supervisor
from worker.executors.local.descendants import Orphans
from worker.executors.local.lease import LeaseCell
from worker.executors.local.masking import PROXIES, masked, secrets_in
from worker.executors.local.reports import message_of, seconds
from worker.executors.port import HandlerPackage

# How the processes of a handler package are started: their command line and their environment.

PROGRAM = "from apphub_jobs.process.program import main; main()"
SHARED_PROGRAM = "from apphub_jobs.process.shared import main; main()"
PROBE = "from apphub_jobs.process.probe import main; main()"

_ENVIRONMENT = (
    *("PATH", "LANG", "LANGUAGE", "TZ", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"),
)
_ENVIRONMENT_PREFIXES = ("LC_", "SSL_CERT_", "GIT_SSL_")
"""What an attempt gets of the worker's environment: none of the service's settings or secrets."""

OWN_VARIABLES = ("HOME", "TMPDIR", "PYTHONUNBUFFERED")
"""What each attempt has to itself."""


OPENED_AT_START = 16
"""Descriptors that a start takes for a moment, and some more."""


def command_line(program: str, package: HandlerPackage) -> tuple[str, ...]:
    """Return what starts one of these programs for a package, before its further arguments."""
    # -P: the working directory is the run's, and no place to import from.
    # -c: imports the program as it is compiled already; -m imports much of its own before that.
    described = asdict(package)
    for name in ("hidden", "writable", "withheld", "pass_env"):
        del described[name]  # Nobody's business there.
    return (sys.executable, "-P", "-c", program, json.dumps(described))


def view_of(package: HandlerPackage, own: Path) -> dict[str, Any] | None:
    """Return how a process sees the file system that works below a directory of its own.

    It is None where the operator trusts the handlers, which then see all of it.
    """
    if not package.hidden:
        return None
    return {
        "hidden": list(package.hidden),
        "own": os.path.realpath(own),
        "writable": [*_temporary(), *package.writable],
        "fixed": _CODE,
        "withheld": list(package.withheld),
    }


def _temporary() -> list[str]:
    """Return where all users of this host may make files."""
    return [os.path.realpath(path) for path in (tempfile.gettempdir(), *_TEMPORARY)]


_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108 - nothing is made there

_CODE = [
    os.path.realpath(path)
    for path in (
        sys.prefix,
        sys.base_prefix,
        *(f"{SERVICE_ROOT}/{name}" for name in sorted(SERVICE_PACKAGES)),
        f"{SERVICE_ROOT}/apphub_jobs",
    )
]
"""What the service itself runs, and all that is installed with it."""


def seeing(package: HandlerPackage, own: Path) -> tuple[str, ...]:
    """Return what stands before a command that sees the file system as this package's handlers."""
    view = view_of(package, own)
    if view is None:
        return ()
    return (*_HIDING, json.dumps(view))


_HIDING = (sys.executable, "-I", "-S", hiding.__file__)


@dataclass(frozen=True)
class Confinement:
    """What this system lets a process do without.

    Attributes:
        hides: files that it is not to see.
        protects: the files of others, which it can only read.
    """

    hides: bool
    protects: bool


def possible_confinement() -> Confinement:
    """Return what this system lets a process have of a view of its own, by trying it."""
    view = {"hidden": [], "writable": _temporary()}
    trial = (*_HIDING, json.dumps(view))
    code = subprocess.run(trial, check=False).returncode  # noqa: S603 - a program of ours
    hides = code in {0, hiding.NOT_READ_ONLY}
    return Confinement(hides=hides, protects=code == 0)


class Cover:
    """What lies over the hidden files in a process that is started after this was made.

    What lies over a directory stays there. A file that is replaced comes out from under it, and
    what was not there yet was not covered. Once its own directory is removed, the process cannot
    see another one that is made in its place.
    """

    def __init__(self, hidden: Sequence[str], own: Path | None = None) -> None:
        self._own = own if hidden else None
        self._seen = {
            path: _file_at(path)
            for path in hidden
            if not os.path.isdir(path)  # noqa: PTH112 - a text is what there is
        }

    @property
    def holds(self) -> bool:
        """Return whether nothing has come out, and the process has its directory."""
        if self._own is not None and not self._own.exists():
            return False
        return all(_file_at(path) == seen for path, seen in self._seen.items())


def _file_at(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    # The time, too: a new file may get the number of one that was removed.
    return found.st_dev, found.st_ino, found.st_ctime_ns


def environment(workdir: Path, package: HandlerPackage) -> dict[str, str]:
    """Return the variables of a process that works below this directory.

    Proxies are for the operator's handlers: those that are built in go no way that was not checked.
    """
    named = {*package.pass_env}
    if not package.shown:
        named.update(PROXIES)
    variables = {
        name: value
        for name, value in os.environ.items()
        if name in named or is_passed_on(name)
    }
    path = variables.get("PYTHONPATH")
    if path is not None:
        variables["PYTHONPATH"] = _from_the_root(path)
    directory = str(workdir)
    variables.update(HOME=directory, TMPDIR=directory, PYTHONUNBUFFERED="1")
    return variables


def is_passed_on(name: str) -> bool:
    """Return whether a process that is none of the service's may know this variable."""
    return name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)


def _from_the_root(path: str) -> str:
    """Return a search path that holds wherever a process works."""
    entries = path.split(os.pathsep)
    from_the_root = [os.path.abspath(entry) for entry in entries]  # noqa: PTH100 - links stay
    return os.pathsep.join(from_the_root)


def pipes() -> tuple[int, int, int, int]:
    """Return the ends of two pipes, each to be read and to be written."""
    first = os.pipe()
    try:
        second = os.pipe()
    except OSError:
        for descriptor in first:
            os.close(descriptor)
        raise
    return *first, *second


def require_room(descriptor: int) -> None:
    """Raise OSError where there is no room for all that a start opens.

    uvloop leaves open for good what it has opened by the time that it finds none.
    """
    opened: list[int] = []
    try:
        for _ in range(OPENED_AT_START):
            opened.append(os.dup(descriptor))  # noqa: PERF401 - to be closed if another one fails
    finally:
        for number in opened:
            os.close(number)


# Lines that come through a pipe, without a task or a future for each.


class LineReader(asyncio.Protocol):
    """Calls back with each line, and at the end; once with None for a line that is too long."""

    def __init__(
        self,
        limit_bytes: int,
        line_came: Callable[[bytes | None], None],
        ended: Callable[[], None],
    ) -> None:
        self._limit_bytes = limit_bytes
        self._line_came = line_came
        self._ended = ended
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._is_skipping = False

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._keep(part)
            line = b"".join(self._parts)
            was_too_long = self._is_skipping
            self._begin_line()
            if not was_too_long:
                self._line_came(line)
        self._keep(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that there will be no more; what has no end of line is none."""
        del exc
        self._ended()

    def _begin_line(self) -> None:
        self._parts.clear()
        self._waiting_bytes = 0
        self._is_skipping = False

    def _keep(self, part: bytes) -> None:
        """Add a part to the line that is not yet whole, unless that is too long."""
        if self._is_skipping:
            return
        self._parts.append(part)
        self._waiting_bytes += len(part)
        if self._waiting_bytes > self._limit_bytes:
            self._is_skipping = True
            self._parts.clear()
            self._line_came(None)


# Removes the directories of attempts, whatever their handlers made of them.

logger = logging.getLogger(__name__)

_RM = ("rm", "-rf", "--")

_AS_OWNER = (
    ("unshare", "--user", "--map-root-user", "--map-auto", "--"),
    ("buildah", "unshare"),
)
"""How an ordinary user removes files of the ids that are lent to him (subuid(5)), such as builders
of images leave."""

REMOVAL_TIMEOUT_S = 60.0


def remove(directory: Path) -> None:
    """Remove a directory with all that is in it; say so in the log if that cannot be done.

    Nothing that could still write there may run any more.
    """
    # Python goes down a tree by calling itself; `rm` takes any depth.
    with suppress(RecursionError):
        shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        _run(*_RM, str(directory))
    if directory.exists():
        _open(directory)
        _run(*_RM, str(directory))
    for owner in _AS_OWNER:
        if directory.exists():
            _run(*owner, *_RM, str(directory))
    if directory.exists():
        logger.warning("cannot remove %s, which an attempt left", directory)


def _open(directory: Path) -> None:
    """Let the owner of the directories write to them: handlers may have forbidden it."""
    waiting = [directory]
    while waiting:
        current = waiting.pop()
        with suppress(OSError):
            current.chmod(0o700)
            with os.scandir(current) as entries:
                waiting += [
                    Path(entry.path)
                    for entry in entries
                    if entry.is_dir(follow_symlinks=False)
                ]


def _run(*command: str) -> None:
    if shutil.which(command[0]) is None:
        return
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603 - one of the above
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=REMOVAL_TIMEOUT_S,
            check=False,
        )


REPORT_LIMIT_BYTES = 8 * 1_048_576
"""The longest message an attempt may send. Above the domain's limit of a result, which answers more
kindly."""

TOO_LONG = f"a result or report of more than {REPORT_LIMIT_BYTES} bytes"
NO_JSON = "a result or report that is no JSON"


class Listener(Protocol):
    """Whoever runs an attempt in a slot."""

    def reported(self, message: Mapping[str, Any]) -> None:
        """Hear what the process says."""

    def misreported(self, fault: str) -> None:
        """Hear that the process said what nobody can read; the fault says what it was."""

    def reports_ended(self) -> None:
        """Hear that the process, and whoever else could have spoken for it, is gone."""

    def supervisor_said(self, ended: Mapping[str, Any] | None) -> None:
        """Hear how the supervisor saw the attempt end; None: the supervisor itself is gone."""


class Slot:
    """A supervisor and its handlers' process: for one attempt at a time, until one goes wrong.

    Attributes:
        package: whose handlers run here.
        listener: whose attempt it is at the moment.
        cpu_s: what the process had used when it was last heard of.
        loaded: set once its handlers are loaded, or never will be.
        secrets: what is masked in what its attempts print and say.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        package: HandlerPackage,
        process: asyncio.subprocess.Process,
        workdir: Path,
        orphans: Orphans | None,
        cover: Cover,
        lease: LeaseCell,
    ) -> None:
        self.package = package
        self.process = process
        self.workdir = workdir
        self.secrets = secrets_in(os.environ, package.pass_env)
        self._orphans = orphans
        self._cover = cover
        self._lease = lease
        self.listener: Listener | None = None
        self.cpu_s: float | None = None
        self.loaded = asyncio.Event()
        self._tasks: asyncio.WriteTransport | None = None
        self._lease_until = math.inf
        self._lapsed = False
        self._is_revoked = False
        self._attempts = 0
        self._lives = True
        self._hearing: asyncio.Task[None] | None = None

    async def connect(self, giving: int, receiving: int) -> None:
        """Start to give tasks and to listen."""
        loop = asyncio.get_running_loop()
        # uvloop's library closes what it is given, and uvloop then closes the same number again: by
        # then it may be a file of another thread, whose closing would hit the next in turn.
        closes_itself = not isinstance(loop, uvloop.Loop)
        reader = LineReader(REPORT_LIMIT_BYTES, self._reported, self._reports_ended)
        reports = os.fdopen(receiving, "rb", buffering=0, closefd=closes_itself)
        try:
            await loop.connect_read_pipe(lambda: reader, reports)
        except BaseException:
            os.close(giving)
            raise
        tasks = os.fdopen(giving, "wb", buffering=0, closefd=closes_itself)
        self._tasks, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, tasks)
        hearing = self._hear_supervisor()
        self._hearing = start_once("supervisor", hearing)

    @property
    def lives(self) -> bool:
        """Return whether it can take an attempt."""
        has_ended = self.process.returncode is not None
        is_running = self._lives and not self.forbids_beginning and not has_ended
        return is_running and self._cover.holds

    @property
    def lapsed(self) -> bool:
        """Return whether its lease was ever over: its supervisor may have ended for that."""
        return self._lapsed or monotonic() > self._lease_until

    @property
    def forbids_beginning(self) -> bool:
        """Return whether its process ever had a reason not to begin with what it was given."""
        return self.lapsed or self._is_revoked

    def next_attempt(self) -> int:
        """Count the next attempt; the process counts its directories likewise."""
        self._attempts += 1
        return self._attempts

    def workdir_of(self, attempt: int) -> Path:
        """Return where the attempt of this number works."""
        return self.workdir / str(attempt)

    def give(self, *tasks: Mapping[str, Any]) -> None:
        """Give the process tasks, in one write."""
        given = self._tasks
        if given is not None and not given.is_closing():
            lines = b"".join(map(_line, tasks))
            given.write(lines)

    def tell(self, command: Mapping[str, Any]) -> None:
        """Say something to the supervisor."""
        orders = self.process.stdin
        if orders is not None and not orders.is_closing():
            line = _line(command)
            orders.write(line)

    def renew(self, until: float) -> None:
        """Let whatever runs here go on until this moment."""
        if until != self._lease_until and not self._is_revoked:
            before, self._lease_until = self._lease_until, until
            # First the process, then the clock: whatever it has refused, it refused for a lease
            # that is known here to have been over.
            self._lease.write(until)
            self._lapsed = self._lapsed or monotonic() > before
            self.tell({"renew": until})

    def revoke(self) -> None:
        """Let nothing begin here any more, for good, whatever the process has been given."""
        self._is_revoked = True
        self._lease.write(-math.inf)

    def hang_up(self) -> None:
        """End whatever still runs: to the supervisor, the end of its input is the worker's end."""
        self._lives = False
        self.revoke()
        orders = self.process.stdin
        if orders is not None:
            orders.close()
        tasks = self._tasks
        if tasks is not None and not tasks.is_closing():
            tasks.abort()

    async def discard(self) -> None:
        """End it for good."""
        self.hang_up()
        await self.process.wait()
        if self._hearing is not None:
            await self._hearing
        self._lease.close()
        await asyncio.to_thread(remove, self.workdir)

    def _reported(self, line: bytes | None) -> None:
        if line == b"":
            return
        message = None if line is None else message_of(line)
        if message is None and self.listener is not None:
            self.listener.misreported(TOO_LONG if line is None else NO_JSON)
        elif message is not None and message["type"] == "ready":
            self._heard_of(message)
            self.loaded.set()
        elif message is not None and self.listener is not None:
            told = without_secrets(message, self.secrets)
            self.listener.reported(told)
        else:
            self.hang_up()  # Whoever speaks there has no task.

    def _heard_of(self, message: Mapping[str, Any]) -> None:
        cpu_s = seconds(message.get("cpuTotal"))
        if cpu_s is not None:
            self.cpu_s = cpu_s

    def _reports_ended(self) -> None:
        self._lives = False
        self.loaded.set()
        if self.listener is not None:
            self.listener.reports_ended()
        else:
            # It ended with nothing to do, and its supervisor need not wait for what could be said
            # of it.
            self.hang_up()

    async def _hear_supervisor(self) -> None:
        if self.process.stdout is not None:
            async for line in self.process.stdout:
                self._supervisor_said(line)
        self._lives = False
        # By itself it ends with 0, once nothing is left below it.
        if await self.process.wait() != 0 and self._orphans is not None:
            await self._orphans.end()
        if self.listener is not None:
            self.listener.supervisor_said(None)

    def _supervisor_said(self, line: bytes) -> None:
        if self.listener is not None:
            self.listener.supervisor_said(json.loads(line))


def _line(message: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # A path or a variable of the system need not be UTF-8.
        return json.dumps(message).encode() + b"\n"


def without_secrets(
    message: Mapping[str, Any], secrets: Sequence[str]
) -> Mapping[str, Any]:
    """Return a message whose texts about an error tell none of these."""
    if not secrets:
        return message
    told = {name: message[name] for name in _ABOUT_ERRORS if name in message}
    hidden = {
        name: masked(text, secrets)
        for name, text in told.items()
        if isinstance(text, str)
    }
    return {**message, **hidden}


_ABOUT_ERRORS = ("message", "stack", "error_message")


async def start_slot(
    package: HandlerPackage,
    workdir: Path,
    orphans: Orphans | None,
    program: str = PROGRAM,
) -> Slot:
    """Start a supervisor and its handlers' process, whose attempts work below this directory."""
    cover = Cover(package.hidden, workdir)
    try:
        lease, (tasks, giving, receiving, reports) = _channels()
    except OSError:
        # Nothing has been there, and this takes no descriptor.
        os.rmdir(workdir)  # noqa: PTH106
        raise
    passed = (tasks, reports, lease.descriptor)
    try:
        require_room(tasks)
        command = command_line(program, package)
        process = await _spawn(package, command, workdir, passed, orphans)
        slot = Slot(package, process, workdir, orphans, cover, lease)
    except BaseException:
        os.close(giving)
        os.close(receiving)
        lease.close()
        remove(workdir)
        raise
    finally:
        for descriptor in passed:
            os.close(descriptor)
    try:
        await slot.connect(giving, receiving)
    except BaseException:
        start_once("ended process", slot.discard())
        raise
    return slot


def _channels() -> tuple[LeaseCell, tuple[int, int, int, int]]:
    """Return what a process sees of the lease, and the ends of its pipes."""
    lease = LeaseCell()
    try:
        return lease, pipes()
    except OSError:
        os.close(lease.descriptor)
        lease.close()
        raise


async def _spawn(
    package: HandlerPackage,
    command: Sequence[str],
    workdir: Path,
    passed: tuple[int, int, int],
    orphans: Orphans | None,
) -> asyncio.subprocess.Process:
    supervising = (
        sys.executable,
        "-I",
        "-S",
        supervisor.__file__,
        *map(str, passed),
        json.dumps(
            {
                "view": view_of(package, workdir),
                "secret": list(package.pass_env),
            }
        ),
    )
    # Shielded: a process that starts while its task is cancelled must still be found and ended. A
    # failure is told by whoever waits for it.
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *supervising,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=passed,
            cwd=workdir,
            env=environment(workdir, package),
            start_new_session=True,
        )
    )
    if orphans is not None:
        orphans.expect(starting)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        process = await starting
        if process.stdin is not None:
            process.stdin.close()
        raise


# Where attempts work: below a directory of this process's, which others remove once it is gone.
#
# All such directories of a user lie in one, which is hidden from handlers' processes whole: so
# they see no other attempt's files, also none of a worker that starts later.
#
# A killed worker cannot clean up, so the next one does it. Whose a directory is tells a lock of
# the kernel on the directory itself: held for as long as its worker lives, frozen or not, and
# released with its process. Cleaners of temporary directories that know such locks (systemd's
# does) leave it alone, too.

_PREFIX = "work-"

_EARLIER = "apphub-work-"
"""Directly in the temporary directory: of earlier versions."""


def workplaces() -> Path:
    """Return the directory of all workplaces of this user, made if need be.

    Raises:
        OSError: somebody else has made what is there.
    """
    path = Path(tempfile.gettempdir()) / f"{PLACES_PREFIX}{os.geteuid()}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    about = path.lstat()
    is_closed = stat.S_IMODE(about.st_mode) & 0o077 == 0
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or not is_closed:
        msg = (
            f"attempts work below {path}, which is not a directory of this user alone: remove it,"
            " or set TMPDIR to another temporary directory"
        )
        raise PermissionError(msg)
    return path


PLACES_PREFIX = "apphub-jobs-"
"""Then comes the user's number."""


class Workplace:
    """One process's directory for its attempts."""

    def __init__(self) -> None:
        self._path, self._lock = _claimed()

    def new_directory(self) -> Path:
        """Make an empty directory that nobody else uses."""
        if not self._path.exists():  # Some cleaner knows no locks.
            os.close(self._lock)
            self._path, self._lock = _claimed()
        return Path(tempfile.mkdtemp(prefix="run-", dir=self._path))

    def close(self) -> None:
        """Remove everything, and give up the lock."""
        remove(self._path)
        os.close(self._lock)


def sweep() -> None:
    """Remove the workplaces of this user's processes that are gone."""
    here = workplaces().glob(f"{_PREFIX}*")
    earlier = Path(tempfile.gettempdir()).glob(f"{_EARLIER}*")
    for path in chain(here, earlier):
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            lock = os.open(path, flags)
        except OSError:  # No directory, somebody else's, or gone by now.
            continue
        try:
            if os.fstat(lock).st_uid == os.geteuid() and _locked(
                path, lock, fcntl.LOCK_EX | fcntl.LOCK_NB
            ):
                remove(path)
                logger.info("removed %s, left by a worker that is gone", path)
        except BlockingIOError:
            pass  # Its worker lives, or another one sweeps it.
        finally:
            os.close(lock)


def _claimed() -> tuple[Path, int]:
    """Return a new directory and the descriptor of its lock, which no started process inherits."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=workplaces()))
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # Swept before it could be locked, as below.
        if _locked(path, lock, fcntl.LOCK_EX):
            return path, lock
        os.close(lock)


def _locked(path: Path, lock: int, operation: int) -> bool:
    """Lock an open directory; return False where it was removed or replaced before that."""
    fcntl.flock(lock, operation)
    try:
        locked = os.fstat(lock)
        return os.path.samestat(locked, path.lstat())
    except FileNotFoundError:
        return False
