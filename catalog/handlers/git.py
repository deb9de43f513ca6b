"""Runs git for a service: within bounds, and stopped at once with all its helpers.

First what a clone may take of time and disk, and how that is measured while it grows (`Limits`,
`Watch`); then how a command runs (`Git`); then a clone: without prompts, hooks, submodules or the
host's credentials.
"""

import os
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic

from apphub_jobs.contract import JobRunContext
from catalog.handlers.origin import (
    PIPE_VARIABLE,
    CanceledError,
    GitError,
    Origin,
    Password,
    RefusedError,
    SshKey,
    credentials_for,
    failure,
    origin_of,
    password_pipe,
    prepare_environment,
    resolve_addresses,
    warnings,
)
from catalog.handlers.untrusted import printable

# What a clone may take of time and disk, and how that is measured while it grows.

TIME_LIMIT_S = 600
"""The time for all commands of one clone. An ingestion may take 900 s, and reads the files after
it."""

DEADLINE_SHARE = 0.9
"""The share of the attempt's remaining time that a clone may take, if that is less: the rest is for
the attempt to say what took so long."""

BYTES_LIMIT = 2_000_000_000
"""The largest clone on disk, for each of a worker's slots."""

ENTRIES_LIMIT = 200_000
"""The most files and directories in a clone. Each takes a block of the disk, usually 4 KB, even if
it is nearly empty: 800 MB."""

GIT_ENTRIES = 10_000
"""Files of Git's own, in addition: a few dozen, or one for each object if the server is a plain web
server."""

MEASURE_INTERVAL_S = 0.25
MEASURE_PAUSE_FACTOR = 10
"""How often the clone is measured: a pause lasts ten times as long as measuring, at least."""


@dataclass(frozen=True)
class Limits:
    """What one clone may take.

    The operator's settings are `cloneTimeoutMs`, `cloneMaxBytes` and `cloneMaxEntries`.
    """

    time_s: float
    bytes: int
    entries: int

    @classmethod
    def of(cls, context: JobRunContext) -> "Limits":
        """Return the operator's limits, or the defaults; never more time than the attempt has."""
        settings = context.settings
        time_s = settings.get("cloneTimeoutMs", TIME_LIMIT_S * 1000) / 1000
        if context.deadline is not None:
            remaining = context.deadline - datetime.now(context.deadline.tzinfo)
            time_s = max(0, min(time_s, remaining.total_seconds() * DEADLINE_SHARE))
        return cls(
            time_s,
            settings.get("cloneMaxBytes", BYTES_LIMIT),
            settings.get("cloneMaxEntries", ENTRIES_LIMIT),
        )


class Watch:
    """Measures a directory while it grows, now and then."""

    def __init__(self, directory: Path | None, limits: Limits) -> None:
        """Measure this directory, if there is one."""
        self._directory = directory
        self._limits = limits
        self._next = 0.0

    def check(self) -> None:
        """Raise RefusedError if the directory has outgrown the limits."""
        started = monotonic()
        if self._directory is None or started < self._next:
            return
        max_entries = self._limits.entries + GIT_ENTRIES
        size, entries = measure(self._directory, max_entries)
        check_size(size, self._limits)
        if entries > max_entries:
            raise RefusedError(f"the clone holds more than {max_entries} files and directories")
        ended = monotonic()
        self._next = ended + max(MEASURE_INTERVAL_S, MEASURE_PAUSE_FACTOR * (ended - started))


def check_size(size: int, limits: Limits) -> None:
    """Raise RefusedError if a clone of this size, in bytes, is too large."""
    if size > limits.bytes:
        raise RefusedError(f"the repository takes more than {limits.bytes / 1_000_000:g} MB")


def measure(directory: Path, max_entries: int) -> tuple[int, int]:
    """Return the bytes and the number of entries below a directory; it stops soon after the limit.

    Entries that disappear meanwhile are left out.
    """
    size = 0
    entries = 0
    unread = [str(directory)]
    while unread and entries <= max_entries:
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(unread.pop()) as listing:
            for entry in listing:
                entries += 1
                if entry.is_dir(follow_symlinks=False):
                    unread.append(entry.path)
                else:
                    # Git renames its files when they are whole.
                    with suppress(FileNotFoundError):
                        size += entry.stat(follow_symlinks=False).st_size
    return size, entries


MEMORY_LIMIT_BYTES = 2_147_483_648
"""The memory of each Git process: a pack of sixteen kilobytes can unpack to eight gigabytes."""

TICK_S = 0.1
"""How soon a cancel or a passed deadline is noticed."""

KEPT_BYTES = 16_384
"""How much of Git's output is kept: a server can make it print anything, for ever."""

CHUNK_BYTES = 65_536

Feed = Callable[[bytes], None]


@contextmanager
def git_for(context: JobRunContext, repo_url: str) -> Iterator["Git"]:
    """Yield a `Git` for this address alone, with its credentials, which are removed afterwards.

    Raises:
        RefusedError: this service does not read from that address.
    """
    origin = origin_of(repo_url, context.settings)
    addresses = resolve_addresses(origin, context.settings)
    credentials = credentials_for(origin, context.settings, context.logger)
    with tempfile.TemporaryDirectory(prefix="git-", dir=Path.cwd()) as home:
        environment = prepare_environment(Path(home), origin, credentials, addresses)
        yield Git(context, origin.with_address(addresses), environment, credentials)


class Git:
    """Runs git's commands for one origin, all within the same span of time."""

    def __init__(
        self,
        context: JobRunContext,
        origin: Origin,
        environment: Mapping[str, str],
        credentials: Password | SshKey | None = None,
    ) -> None:
        self.origin = origin
        self.limits = Limits.of(context)
        self._context = context
        self._credentials = credentials
        self._environment = environment
        self._until = monotonic() + self.limits.time_s

    def run(
        self,
        command: str,
        *arguments: str,
        repository: Path | None = None,
        watched: Path | None = None,
    ) -> str:
        """Run a command and return what it printed.

        Args:
            command: such as `clone`.
            *arguments: what follows it.
            repository: the clone that it works in.
            watched: the directory that must not outgrow the limits meanwhile.

        Raises:
            GitError: it failed, or took too long.
            RefusedError: the directory outgrew the limits, or git failed for a lasting reason.
            CanceledError: the run is being canceled.
        """
        printed = _Tail()
        self.stream(printed.feed, command, *arguments, repository=repository, watched=watched)
        return printed.text()

    def stream(
        self,
        feed: Feed,
        command: str,
        *arguments: str,
        repository: Path | None = None,
        watched: Path | None = None,
    ) -> None:
        """Do as `run` does, but hand over what is printed as it comes.

        An exception of `feed` ends the command.
        """
        directories: list[str] = []
        if repository is not None:
            directories = [f"--git-dir={repository / '.git'}", f"--work-tree={repository}"]
        stderr = _Tail()
        # A shell, because only it can lower a limit between fork and exec; it gets arguments alone.
        limited = ("sh", "-c", 'ulimit -S -d "$0"; exec "$@"', str(MEMORY_LIMIT_BYTES // 1024))
        process = self._start([*limited, "git", *directories, command, *arguments])
        try:
            self._watch_process(process, feed, stderr.feed, Watch(watched, self.limits))
        finally:
            _end(process)
        if process.returncode != 0:
            raise failure(
                command,
                process.returncode,
                stderr.text(),
                authenticated=self._credentials is not None,
                origin=self.origin,
            )
        for line in warnings(stderr.text()):
            self._context.logger.info("git: %s", line)

    def _start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        password = self._credentials if isinstance(self._credentials, Password) else None
        with password_pipe(password) as pipe:
            variables = {} if pipe is None else {PIPE_VARIABLE: str(pipe)}
            return subprocess.Popen(  # noqa: S603 - "--" ends the options before the URL
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**self._environment, **variables},
                pass_fds=() if pipe is None else (pipe,),
                start_new_session=True,
            )

    def _watch_process(
        self, process: "subprocess.Popen[bytes]", feed: Feed, take_stderr: Feed, watch: Watch
    ) -> None:
        """Read both pipes until the process has ended, and stop it where a limit is reached."""
        with selectors.DefaultSelector() as selector:
            for pipe, take in ((process.stdout, feed), (process.stderr, take_stderr)):
                if pipe is not None:
                    selector.register(pipe, selectors.EVENT_READ, take)
            while True:
                ready = _forward(selector)
                self._check(watch)
                if not selector.get_map():
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(TICK_S)
                # A helper left behind may hold a pipe open: silence after the end is the end, too.
                if not ready and process.poll() is not None:
                    return

    def _check(self, watch: Watch) -> None:
        if self._context.cancelled.is_set():
            raise CanceledError
        if monotonic() > self._until:
            raise GitError(f"git took longer than {self.limits.time_s:g} s and was stopped")
        watch.check()


def _forward(selector: selectors.BaseSelector) -> bool:
    """Wait for a tick at most; hand over what came, and return whether anything did."""
    if not selector.get_map():
        return False
    ready = selector.select(TICK_S)
    for key, _ in ready:
        chunk = os.read(key.fd, CHUNK_BYTES)
        if chunk:
            key.data(chunk)
        else:
            selector.unregister(key.fileobj)
    return bool(ready)


class _Tail:
    """The end of what was printed."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._is_cut = False

    def feed(self, chunk: bytes) -> None:
        self._kept += chunk
        if len(self._kept) > KEPT_BYTES:
            self._is_cut = True
            del self._kept[:-KEPT_BYTES]

    def text(self) -> str:
        """Return whole lines: a line whose start was cut does not show who wrote it."""
        whole = self._kept.partition(b"\n")[2] if self._is_cut else self._kept
        return whole.decode("utf-8", "replace")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the command and its helpers: they share a session of their own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with process:  # Waits, and closes the pipes.
        pass


# A clone has three steps, so that nothing is written that was not measured before: the pack; the
# list of what it holds; the files.

__all__ = ["CanceledError", "Git", "GitError", "RefusedError", "check_out", "clone", "git_for"]

MAX_PATH_BYTES = 3_500
"""The longest path in a repository. The system's limit of 4 096 includes the clone's own path."""

MAX_NAME_BYTES = 255

MAX_DEPTH = 200
"""The most parts of a path. Many programs read a tree recursively, such as Python when it removes
one, and fail near a thousand levels."""


def clone(context: JobRunContext, repo_url: str, target: Path, branch: str | None = None) -> str:
    """Clone the newest commit of the default branch, or of this branch or tag, and return its id.

    Raises:
        GitError: the repository cannot be read, is empty, or lacks the branch.
        RefusedError: another attempt would fail, too: for example, the address is forbidden, or
            there are too many files.
        CanceledError: the run is being canceled.
    """
    with git_for(context, repo_url) as git:
        context.logger.info("cloning %s", printable(git.origin.display_url))
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
        git.run("clone", *options, "--", git.origin.url, str(target), watched=target)
        return check_out(git, target, "HEAD")


def check_out(git: Git, repository: Path, revision: str) -> str:
    """Write the files of a revision that the clone has, and return its commit's id.

    Raises:
        GitError: there is no such commit, or its files cannot be written.
        RefusedError: there are too many files, or too large ones.
        CanceledError: the run is being canceled.
    """
    try:
        output = git.run(
            "rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}", repository=repository
        )
    except GitError:
        raise GitError("the repository has no commit where it should be cloned from") from None
    commit = output.strip()
    packed_bytes, _ = measure(repository, git.limits.entries)
    listing = _Listing(git.limits, packed_bytes)
    options = ("-r", "-t", "-l", "-z", "--full-tree")
    git.stream(listing.feed, "ls-tree", *options, commit, repository=repository)
    git.run("reset", "--quiet", "--hard", commit, repository=repository, watched=repository)
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
        *entries, self._rest = (self._rest + chunk).split(b"\0")
        for entry in entries:
            fields, _, path = entry.partition(b"\t")
            self._add(path, fields.rpartition(b" ")[2])
        _check_path(self._rest.partition(b"\t")[2])

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
    is_long = len(path) > MAX_PATH_BYTES or max(map(len, names)) > MAX_NAME_BYTES
    if is_long or len(names) > MAX_DEPTH:
        start = printable(path.decode("utf-8", "replace"), 80)
        raise RefusedError(f"the repository holds a path that is too long or too deep: {start}")
