"""Checks out what a build is of: a tag, branch or commit, or the head of the default branch.

It fetches that commit alone, and the whole history only where a server hands out a commit in no
other way.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apphub_jobs.contract import JobRunContext, PermanentError
from catalog.handlers.git import Git, GitError, check_out, git_for

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,63}")

_ALL = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")


@dataclass(frozen=True, kw_only=True)
class CheckoutTarget:
    """What to check out; the first that is not None counts.

    Attributes:
        ref: a tag, a full ref name, a commit id or a branch, tried in this order; `HEAD` is
            what would be checked out without it.
        branch: a branch.
        commit: a commit of the default branch, whose head is taken where the server does not give
            that commit.
    """

    ref: str | None
    branch: str | None
    commit: str | None


@dataclass(frozen=True)
class CheckedOut:
    """What was checked out.

    Attributes:
        branch: the requested branch, or the default branch; None where neither was checked out.
    """

    commit_sha: str
    branch: str | None


def checkout(
    context: JobRunContext, repo_url: str, target: CheckoutTarget, directory: Path
) -> CheckedOut:
    """Write the target's files into a new directory, with a shallow repository without a remote.

    Raises:
        GitError: it cannot be read, or is not there.
        CanceledError: the run is being canceled.
    """
    with git_for(context, repo_url) as git:
        context.logger.info("checking out %s of %s", _describe(target), git.origin.display_url)
        git.run("init", "--quiet", "--template=", str(directory))
        checked_out = _Checkout(context, git, directory).of(target)
        # In the image, it would show where the repository came from.
        (directory / ".git" / "FETCH_HEAD").unlink(missing_ok=True)
        return checked_out


def _describe(target: CheckoutTarget) -> str:
    if target.ref is not None:
        return repr(target.ref)
    if target.branch is not None:
        return f"branch {target.branch!r}"
    if target.commit is not None:
        return f"commit {target.commit!r}"
    return "the default branch"


class _Checkout:
    """The steps of one checkout."""

    def __init__(self, context: JobRunContext, git: Git, directory: Path) -> None:
        self._context = context
        self._git = git
        self._directory = directory

    def of(self, target: CheckoutTarget) -> CheckedOut:
        if target.ref is not None and target.ref != "HEAD":
            return CheckedOut(self._ref(target.ref), target.branch)
        if target.branch is not None:
            commit = self._named(f"refs/heads/{target.branch}", f"branch {target.branch}")
            return CheckedOut(commit, target.branch)
        if target.commit is not None:
            try:
                return CheckedOut(self._fetch(target.commit), None)
            except PermanentError:  # Refusals are such: what is too large stays so.
                raise
            except GitError as error:
                self._context.logger.warning(
                    "commit %s is not given out (%s)", target.commit, error
                )
        return self._default()

    def _ref(self, ref: str) -> str:
        if ref.startswith("refs/"):
            return self._named(ref, f"ref {ref}")
        commit = ref.lower()
        if _COMMIT.fullmatch(commit):
            try:
                return self._fetch(commit)
            except PermanentError:
                raise
            except GitError:
                return self._from_history(commit)
        remote = self._remote_refs(f"refs/tags/{ref}", f"refs/heads/{ref}", f"refs/{ref}")
        if remote:
            return self._fetch(remote[0])
        if _SHORT_COMMIT.fullmatch(commit):
            return self._from_history(commit)
        raise GitError(f"the repository has no tag, branch or commit {ref}")

    def _named(self, name: str, description: str) -> str:
        if not self._remote_refs(name):
            raise GitError(f"the repository has no {description}")
        return self._fetch(name)

    def _default(self) -> CheckedOut:
        # The first line is `ref: refs/heads/NAME<tab>HEAD`, unless HEAD is detached.
        answer = self._git.run("ls-remote", "--symref", "--", self._git.origin.url, "HEAD")
        if not answer.strip():
            raise GitError("the repository has no commit")
        head = re.match(r"ref: refs/heads/(\S+)\tHEAD", answer)
        return CheckedOut(self._fetch("HEAD"), head[1] if head else None)

    def _remote_refs(self, *names: str) -> list[str]:
        """Return those of the names that the repository has, in their order."""
        for name in names:
            self._check_name(name)
        answer = self._git.run("ls-remote", "--", self._git.origin.url, *names)
        remote = {line.partition("\t")[2] for line in answer.splitlines()}
        return [name for name in names if name in remote]

    def _check_name(self, name: str) -> None:
        # What is no name of a ref may be a pattern or a whole instruction to git.
        try:
            self._git.run("check-ref-format", name)
        except GitError:
            short = name.removeprefix("refs/tags/").removeprefix("refs/heads/")
            raise GitError(f"{short!r} names nothing") from None

    def _fetch(self, name: str) -> str:
        self._run_fetch(["--depth=1", "--no-tags"], [name])
        return check_out(self._git, self._directory, "FETCH_HEAD")

    def _run_fetch(self, options: Sequence[str], refs: Sequence[str]) -> None:
        self._git.run(
            "fetch",
            "--quiet",
            "--no-recurse-submodules",
            *options,
            "--",
            self._git.origin.url,
            *refs,
            repository=self._directory,
            watched=self._directory,
        )

    def _from_history(self, commit: str) -> str:
        self._context.logger.info("looking for commit %s in all branches and tags", commit)
        self._run_fetch([], _ALL)
        try:
            return check_out(self._git, self._directory, commit)
        except PermanentError:
            raise
        except GitError:
            raise GitError(f"the repository has no tag, branch or commit {commit}") from None
