"""Git as a service must run it: within bounds, and stopped at once with all its helpers."""

import os
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from apphub_jobs.contract import JobRunContext
from worker.handlers.git import home as git_home
from worker.handlers.git.errors import CanceledError, GitError
from worker.handlers.git.limits import Limits, Watch
from worker.handlers.git.messages import failure, warnings
from worker.handlers.git.origin import (
    Origin,
    Password,
    SshKey,
    credentials_for,
    origin_of,
)
from worker.handlers.git.reach import addresses_of

MEMORY_LIMIT_BYTES = 2_147_483_648
"""Of each of git's processes: a pack of sixteen kilobytes can unpack to eight gigabytes."""

TICK_S = 0.1
"""How soon a cancel or a passed deadline is noticed."""

KEPT_BYTES = 16_384
"""Of what git says; a server can make it say anything, for ever."""

CHUNK_BYTES = 65_536

Feed = Callable[[bytes], None]


@contextmanager
def git_for(context: JobRunContext, repo_url: str) -> Iterator["Git"]:
    """Give a git that knows this address alone, and its credentials; they are gone afterwards.

    Raises:
        RefusedError: the address is not read here.
    """
    origin = origin_of(repo_url, context.settings)
    addresses = addresses_of(origin, context.settings)
    credentials = credentials_for(origin, context.settings, context.logger)
    with tempfile.TemporaryDirectory(prefix="git-", dir=Path.cwd()) as home:
        environment = git_home.furnish(Path(home), origin, credentials, addresses)
        pinned = origin.at(addresses)
        yield Git(context, pinned, environment, credentials)


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
            RefusedError: the directory outgrew the limits; or git failed in a way that it will
                again.
            CanceledError: somebody asked to cancel.
        """
        printed = _Tail()
        self.stream(
            printed.feed, command, *arguments, repository=repository, watched=watched
        )
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
        place: list[str] = []
        if repository is not None:
            place = [f"--git-dir={repository / '.git'}", f"--work-tree={repository}"]
        said = _Tail()
        # A shell, because only it can lower a limit between fork and exec; it gets arguments alone.
        limited = (
            "sh",
            "-c",
            'ulimit -S -d "$0"; exec "$@"',
            str(MEMORY_LIMIT_BYTES // 1024),
        )
        process = self._start([*limited, "git", *place, command, *arguments])
        try:
            watch = Watch(watched, self.limits)
            self._attend(process, feed, said.feed, watch)
        finally:
            _end(process)
        if process.returncode != 0:
            raise failure(
                command,
                process.returncode,
                said.text(),
                authenticated=self._credentials is not None,
                origin=self.origin,
            )
        for line in warnings(said.text()):
            self._context.logger.info("git: %s", line)

    def _start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        password = self._credentials
        if not isinstance(password, Password):
            password = None
        environment = dict(self._environment)
        with git_home.password_pipe(password) as pipe:
            passed: tuple[int, ...] = ()
            if pipe is not None:
                passed = (pipe,)
                environment[git_home.PIPE_VARIABLE] = str(pipe)
            return subprocess.Popen(  # noqa: S603 - "--" ends the options before the URL
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                pass_fds=passed,
                start_new_session=True,
            )

    def _attend(
        self,
        process: "subprocess.Popen[bytes]",
        feed: Feed,
        hear: Feed,
        watch: Watch,
    ) -> None:
        """Read both pipes until the process has ended, and stop it where a limit is reached."""
        with selectors.DefaultSelector() as selector:
            for pipe, take in ((process.stdout, feed), (process.stderr, hear)):
                if pipe is not None:
                    selector.register(pipe, selectors.EVENT_READ, take)
            while True:
                ready = _pass_on(selector)
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
            raise GitError(
                f"git took longer than {self.limits.time_s:g} s and was stopped"
            )
        watch.look()


def _pass_on(selector: selectors.BaseSelector) -> bool:
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
    """The last of what was printed."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._is_cut = False

    def feed(self, chunk: bytes) -> None:
        self._kept += chunk
        if len(self._kept) > KEPT_BYTES:
            self._is_cut = True
            del self._kept[:-KEPT_BYTES]

    def text(self) -> str:
        """Return whole lines: of half a one, nobody knows whose words it is."""
        whole = self._kept
        if self._is_cut:
            _, _, whole = self._kept.partition(b"\n")
        return whole.decode("utf-8", "replace")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the command and its helpers: they share a session of their own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with process:  # Waits, and closes the pipes.
        pass
