"""Git as a service must call it: without prompts, hooks, submodules or the host's credentials.

A clone comes in three steps, so that nothing is written that was not measured before: the pack; a
look at the list of what it holds; the files.
"""

from pathlib import Path

from apphub_jobs.contract import JobRunContext
from worker.handlers.git.errors import CanceledError, GitError, RefusedError
from worker.handlers.git.limits import Limits, check_size, measured
from worker.handlers.git.process import Git, git_for
from worker.handlers.untrusted.texts import shown

__all__ = [
    "CanceledError",
    "Git",
    "GitError",
    "RefusedError",
    "check_out",
    "clone",
    "git_for",
]

MAX_PATH_BYTES = 3_500
"""Of a path in a repository. The system takes 4 096 with the place of the clone before it."""

MAX_NAME_BYTES = 255

MAX_DEPTH = 200
"""Of directories. Many programs go down a tree by calling themselves, Python's own removal of a
tree as well, and give up near a thousand."""


def clone(
    context: JobRunContext, repo_url: str, target: Path, branch: str | None = None
) -> str:
    """Clone the newest commit of the default branch, or of this branch or tag, and return its id.

    Raises:
        GitError: the repository cannot be read, is empty, or lacks the branch.
        RefusedError: one that another attempt would meet, too, such as a forbidden address, or too
            many files.
        CanceledError: somebody asked to cancel.
    """
    with git_for(context, repo_url) as git:
        context.logger.info("cloning %s", shown(git.origin.shown))
        options = [
            "--no-progress",
            "--depth=1",
            "--single-branch",
            "--no-tags",
            "--no-checkout",
            "--template=",
        ]
        if branch is not None:
            options.append(f"--branch={branch}")
        url = git.origin.url
        git.run("clone", *options, "--", url, str(target), watched=target)
        return check_out(git, target, "HEAD")


def check_out(git: Git, repository: Path, revision: str) -> str:
    """Write the files of a revision that the clone has, and return its commit's id.

    Raises:
        GitError: there is no such commit, or its files cannot be written.
        RefusedError: there are too many files, or too large ones.
        CanceledError: somebody asked to cancel.
    """
    try:
        said = git.run(
            "rev-parse",
            "--quiet",
            "--verify",
            f"{revision}^{{commit}}",
            repository=repository,
        )
    except GitError:
        raise GitError(
            "the repository has no commit where it should be cloned from"
        ) from None
    commit = said.strip()
    packed_bytes, _ = measured(repository, git.limits.entries)
    listing = _Listing(git.limits, packed_bytes)
    options = ("-r", "-t", "-l", "-z", "--full-tree")
    git.stream(listing.feed, "ls-tree", *options, commit, repository=repository)
    git.run(
        "reset", "--quiet", "--hard", commit, repository=repository, watched=repository
    )
    return commit


class _Listing:
    """Counts what a tree holds before it is written: a small pack can hold a tree of any size."""

    def __init__(self, limits: Limits, packed_bytes: int) -> None:
        self._limits = limits
        self._size = packed_bytes
        self._entries = 0
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Take a part of `ls-tree -l -z`: `MODE TYPE OBJECT SIZE<tab>PATH<nul>` for each entry."""
        listed = self._rest + chunk
        *entries, self._rest = listed.split(b"\0")
        for entry in entries:
            fields, _, path = entry.partition(b"\t")
            _, _, size = fields.rpartition(b" ")
            self._add(path, size)
        _, _, beginning = self._rest.partition(b"\t")
        _check_path(beginning)

    def _add(self, path: bytes, size: bytes) -> None:
        _check_path(path)
        if size.isdigit():  # Directories have none.
            self._size += int(size)
        check_size(self._size, self._limits)
        self._entries += 1
        if self._entries > self._limits.entries:
            raise RefusedError(
                f"the repository holds more than {self._limits.entries} files and directories"
            )


def _check_path(path: bytes) -> None:
    names = path.split(b"/")
    longest = max(map(len, names))
    is_long = len(path) > MAX_PATH_BYTES or longest > MAX_NAME_BYTES
    if is_long or len(names) > MAX_DEPTH:
        start = shown(path.decode("utf-8", "replace"), 80)
        raise RefusedError(
            f"the repository holds a path that is too long or too deep: {start}"
        )
