"""Keeps a mirror of a git repository, and tells which of its refs have moved."""

import os
import shutil
import subprocess
from pathlib import Path

from pydantic import BaseModel

from apphub_jobs import PermanentError, job


class Mirrored(BaseModel):
    """A mirror after a run: how many refs it has, and which are new, moved or gone."""

    directory: Path
    refs: int
    changed: list[str]


@job(timeout="10m", retries=3, retry_delay="30s", concurrency_key="directory")
def mirror_repository(url: str, directory: Path) -> Mirrored:
    """Clone a git repository as a mirror, or bring that mirror up to date.

    Args:
        url: what `git clone` takes, such as `https://git.example/shop.git`.
        directory: an absolute path. Runs for the same one take turns.
    """
    before: dict[str, str] = {}
    if directory.exists():
        before = _refs(directory)
        _update(url, directory)
    else:
        _clone(url, directory)
    after = _refs(directory)
    changed = dict(before.items() ^ after.items())
    return Mirrored(directory=directory, refs=len(after), changed=sorted(changed))


def _clone(url: str, directory: Path) -> None:
    # Under another name first: an attempt that is killed leaves no half mirror.
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    directory.parent.mkdir(parents=True, exist_ok=True)
    _git("clone", "--quiet", "--mirror", "--", url, str(partial))
    partial.rename(directory)


def _update(url: str, directory: Path) -> None:
    cloned_from = _git("--git-dir", str(directory), "config", "remote.origin.url")
    if cloned_from.strip() != url:
        raise PermanentError(f"{directory} is a mirror of {cloned_from.strip()}")
    _git("--git-dir", str(directory), "remote", "update", "--prune")


def _refs(directory: Path) -> dict[str, str]:
    """Return the commit or tag of each ref."""
    form = "--format=%(refname) %(objectname)"
    listed = _git("--git-dir", str(directory), "for-each-ref", form)
    return dict(line.split() for line in listed.splitlines())


def _git(*arguments: str) -> str:
    """Run git, which asks for no password, and return what it printed."""
    done = subprocess.run(
        ["git", *arguments],
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:  # Raised, so the run is tried again by the job's policy.
        raise RuntimeError(done.stderr.strip())
    return done.stdout
