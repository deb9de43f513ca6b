"""The account of the private PostgreSQL where root starts it, and its files' way there.

PostgreSQL refuses to run as root, so root lends the server to an account. Whatever runs as that
account can write the server's rules of access, and become its superuser: so it is one that nothing
else runs as. Servers of earlier versions ran as `nobody`; their files are handed over at a start.
"""

import fcntl
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

ACCOUNT = "apphub-jobs"

SHARED_ACCOUNT = "nobody"
"""Other services' processes run as it, too. Earlier versions took it for the server."""

MAKING_S = 20.0
"""How long to wait while somebody else changes the system's accounts."""

_MAKERS = (
    (
        *("useradd", "--system", "--user-group", "--no-create-home"),
        *("--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"),
    ),
    ("adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin"),
)
"""Commands that make an account of the system: of most distributions, and of BusyBox."""

OTHER_WAYS = (
    "name an account that nothing else runs as (--postgres-account), run the service as an"
    " ordinary user, or give --database-url"
)


class PlacementError(Exception):
    """The private server cannot be placed here; the message says what to do."""


@dataclass(frozen=True)
class ServerUser:
    """As whom the server runs.

    Attributes:
        drop: what `subprocess` needs to become that user; empty for an ordinary user, who stays who
            they are.
    """

    uid: int
    gid: int
    drop: dict[str, object]


def server_user(account: str | None = None) -> ServerUser:
    """Return the unprivileged user for the server: for root, one of its own, made if need be.

    Args:
        account: whom root wants for it, instead of the service's own account.

    Raises:
        PlacementError: there is no such account, or others run as it.
    """
    own_uid = os.geteuid()
    if own_uid != 0:
        return ServerUser(own_uid, os.getegid(), {})
    entry = _named(account) if account else made(ACCOUNT)
    uid = entry.pw_uid
    gid = entry.pw_gid
    return ServerUser(uid, gid, {"user": uid, "group": gid, "extra_groups": []})


def _named(account: str) -> pwd.struct_passwd:
    entry = existing(account)
    if entry is None:
        msg = (
            f"--postgres-account: there is no account {account!r};"
            f" make one: useradd --system {account}"
        )
        raise PlacementError(msg)
    shared = existing(SHARED_ACCOUNT)
    if entry.pw_uid == 0 or (shared is not None and entry.pw_uid == shared.pw_uid):
        msg = (
            f"--postgres-account: {account!r} is not for the private PostgreSQL: it must be an"
            " account that nothing else runs as; leave the option out to have one made"
        )
        raise PlacementError(msg)
    return entry


def existing(account: str) -> pwd.struct_passwd | None:
    """Return the account of this name, None if there is none."""
    try:
        return pwd.getpwnam(account)
    except KeyError:
        return None


def made(account: str) -> pwd.struct_passwd:
    """Return the account of this name, which is made if there is none.

    Raises:
        PlacementError: it cannot be made.
    """
    entry = existing(account)
    if entry is not None:
        return entry
    with _one_at_a_time():
        return _made(account)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let one process of ours make accounts: two programs at once may make the same one twice."""
    system = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(system, fcntl.LOCK_EX)
        yield
    finally:
        os.close(system)


def _made(account: str) -> pwd.struct_passwd:
    deadline = monotonic() + MAKING_S
    while (entry := existing(account)) is None:
        failure = _make(account)
        # Somebody else may be changing other accounts.
        if failure is not None and ("lock" not in failure or monotonic() > deadline):
            msg = (
                f"the account {account!r}, as which the private PostgreSQL runs when root starts"
                f" it, is not there and cannot be made ({failure}); {OTHER_WAYS}"
            )
            raise PlacementError(msg)
        if failure is not None:
            sleep(0.1)
    return entry


def _make(account: str) -> str | None:
    """Make an account; return why that was impossible, if it was."""
    for program, *options in _MAKERS:
        found = shutil.which(program, path=f"{os.defpath}:/usr/sbin:/sbin")
        if found is None:
            continue
        done = subprocess.run(  # noqa: S603 - one of the above
            [found, *options, account],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return None
        return done.stderr.strip() or f"{program} ended with {done.returncode}"
    return "neither useradd nor adduser is installed"


def hand_over_files(home: Path, user: ServerUser) -> None:
    """Give the files of a server that does not run to its account.

    Only what belonged to the account before is given: `nobody`'s processes may have put a second
    name of somebody else's file there, or a link.

    Raises:
        PlacementError: they belong to somebody who is no account of a server.
    """
    owner = home.stat().st_uid
    if not user.drop or owner == user.uid:
        return
    accounts = [existing(SHARED_ACCOUNT), existing(ACCOUNT)]
    former = {entry.pw_uid for entry in accounts if entry is not None}
    if owner != os.geteuid() and owner not in former:
        msg = (
            f"{home} belongs to {_name_of(owner)}, and the private PostgreSQL would run as"
            f" {_name_of(user.uid)}: run the service as {_name_of(owner)},"
            f" or give the directory away: chown -R {_name_of(user.uid)} {home}"
        )
        raise PlacementError(msg)
    # From the top: those who run as the former account cannot enter any more.
    top = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(top, user.uid, user.gid)
        os.fchmod(top, stat.S_IRWXU)
        for _, directories, files, descriptor in os.fwalk(".", dir_fd=top):
            for name in (*directories, *files):
                about = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if about.st_uid == owner:
                    os.chown(
                        *(name, user.uid, user.gid),
                        dir_fd=descriptor,
                        follow_symlinks=False,
                    )
    finally:
        os.close(top)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
