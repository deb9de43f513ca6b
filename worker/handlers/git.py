"""Git, as a service must call it: no prompt, no credential of the host, no hook, no submodule, and soon stopped."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from worker.contract import JobRunContext

STALL_S = 60
"""An HTTP server that sends less than a kilobyte a second for this long is given up."""

CONNECT_TIMEOUT_S = 20

POLL_S = 0.2


class GitError(Exception):
    """Git failed; the message is what it said, without credentials."""


class CanceledError(Exception):
    """The run was canceled while git worked."""


def clone(context: JobRunContext, repo_url: str, target: Path) -> str:
    """Clone the newest commit of the default branch and return its id.

    Raises:
        GitError: the repository cannot be read, or is empty.
        CanceledError: somebody asked to cancel.
    """
    source = f"file://{quote(repo_url)}" if repo_url.startswith("/") else repo_url
    context.logger.info("cloning %s", redacted(repo_url))
    options = ["--depth", "1", "--single-branch", "--no-tags", "--no-recurse-submodules"]
    _git(context, ["clone", *options, "--", source, str(target)], repo_url)
    try:
        return _git(context, ["-C", str(target), "rev-parse", "--verify", "HEAD"], repo_url).strip()
    except GitError:
        raise GitError("the repository has no commit") from None


def redacted(url: str) -> str:
    """Return the URL without the user and password that it may carry."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _git(context: JobRunContext, arguments: list[str], repo_url: str) -> str:
    config = Path.cwd() / "gitconfig"
    # Repositories of another owner are read on purpose; a file is the only place where git takes that from.
    config.write_text("[safe]\n\tdirectory = *\n")
    process = subprocess.Popen(  # noqa: S603 - no shell, and "--" ends the options before the URL
        [  # noqa: S607 - the operator's git
            "git",
            "-c",
            "credential.helper=",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "http.lowSpeedLimit=1000",
            "-c",
            f"http.lowSpeedTime={STALL_S}",
            *arguments,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(config),
        text=True,
        errors="replace",
    )
    output = _wait(context, process)
    if process.returncode != 0:
        said = _without_credentials(output.strip(), repo_url) or f"exit code {process.returncode}"
        raise GitError(f"git {arguments[0] if arguments[0] != '-C' else arguments[2]} failed: {said}")
    return output


def _without_credentials(said: str, repo_url: str) -> str:
    # Git shortens the URL (a user name, which may be a token, with the host alone), so the URL as a whole is not it.
    credentials = urlsplit(repo_url).netloc.rpartition("@")[0]
    for secret in {credentials, unquote(credentials), *credentials.split(":", 1)} - {""}:
        said = said.replace(f"{secret}@", "")
    return said.replace(repo_url, redacted(repo_url))


def _wait(context: JobRunContext, process: "subprocess.Popen[str]") -> str:
    while True:
        try:
            return process.communicate(timeout=POLL_S)[0]
        except subprocess.TimeoutExpired:
            if context.cancelled.is_set():
                with process:  # Closes the pipe: git's helpers may hold it until the attempt's processes end together.
                    process.terminate()
                raise CanceledError from None


def _environment(config: Path) -> dict[str, str]:
    return {
        **os.environ,
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_SSH_COMMAND": f"ssh -oBatchMode=yes -oConnectTimeout={CONNECT_TIMEOUT_S}",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }


@dataclass(frozen=True)
class Origin:
    """Where a repository lies: its address for git, and for people."""

    url: str
    shown: str


@dataclass(frozen=True)
class Git:
    """Runs git's commands for one origin."""

    context: JobRunContext
    origin: Origin

    def run(self, command: str, *arguments: str, repository: Path | None = None, watched: Path | None = None) -> str:
        """Run a command, in a repository if one is given, and return what it printed.

        Raises:
            GitError: it failed.
            CanceledError: somebody asked to cancel.
        """
        del watched
        place = [] if repository is None else ["-C", str(repository)]
        return _git(self.context, [*place, command, *arguments], self.origin.url)


@contextmanager
def git_for(context: JobRunContext, repo_url: str) -> Iterator[Git]:
    """Give a git that knows this address."""
    yield Git(
        context, Origin(f"file://{quote(repo_url)}" if repo_url.startswith("/") else repo_url, redacted(repo_url))
    )


def check_out(git: Git, repository: Path, revision: str) -> str:
    """Write the files of a revision that the repository has, and return its commit's id.

    Raises:
        GitError: it has none.
    """
    commit = git.run("rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}", repository=repository).strip()
    git.run("reset", "--quiet", "--hard", commit, repository=repository)
    return commit
