"""Removes the directories of attempts, whatever their handlers made of them."""

import logging
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

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
