"""Removes the directories of attempts, whatever their handlers made of them."""

import logging
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

_OWNERS = (
    ("unshare", "--user", "--map-root-user", "--map-auto", "--", "rm", "-rf", "--"),
    ("buildah", "unshare", "rm", "-rf", "--"),
)
"""How an ordinary user removes files of the ids lent to him (subuid(5)), such as builders of images leave."""

REMOVAL_TIMEOUT_S = 60.0


def remove(directory: Path) -> None:
    """Remove a directory with all that is in it; say so in the log if that cannot be done.

    Nothing that could still write there may run any more.
    """
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        _open(directory)
        shutil.rmtree(directory, ignore_errors=True)
    for command in _OWNERS:
        if directory.exists() and shutil.which(command[0]) is not None:
            _run([*command, str(directory)])
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
                waiting += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _run(command: list[str]) -> None:
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603 - one of _OWNERS
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=REMOVAL_TIMEOUT_S,
            check=False,
        )
