"""`apphub-jobs dev`: everything as in `up`, with the handlers of files that are being written.

First the dashboard in a browser; then the events that `dev` handles (keys, changed files, results
of probes), the output of runs, and the watch for changed files; then the probes of changed handlers
(`HandlerProbes`), and `DevSupervisor`, which replaces handlers while runs continue.
"""

import os
import socket
import subprocess
import sys
import termios
import threading
import tty
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import cache_from_source
from itertools import chain, islice
from pathlib import Path
from queue import Empty, Queue
from time import monotonic

from rich.text import Text
from watchfiles import PythonFilter, watch

from apphub_jobs.client import Client, ClientError
from cli.plans import lines_of, plan_of
from cli.process.handler_feed import HandlerFile
from cli.process.sockets import callable_url
from cli.process.supervisor import Supervisor
from runtime.text import in_one_line
from worker.executors.local.probe import HandlersError, OfferedHandler, kill_probe, probe_handlers
from worker.executors.packages import HandlerPackage, HandlerSource, collect_packages

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")

_ALWAYS_ON_SCREEN = ("darwin", "win32")


def has_screen(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Return whether a browser would open on the screen of the person at this terminal.

    Without a screen, a text browser would replace the terminal; through SSH, the browser would open
    on the other machine. `BROWSER` overrides both: remote editors set it to a command that opens a
    page on the user's machine.
    """
    if environment.get("BROWSER"):
        return True
    if environment.get("SSH_CONNECTION"):
        return False
    if platform in _ALWAYS_ON_SCREEN:
        return True
    return any(environment.get(name) for name in _SCREENS)


def show(url: str) -> None:
    """Open the address in a browser, in a thread, as that may block."""
    threading.Thread(target=webbrowser.open, args=(url,), name="browser", daemon=True).start()


@dataclass(frozen=True)
class Key:
    """A key was pressed."""

    name: str


@dataclass(frozen=True)
class Changed:
    """Files have changed."""

    paths: Sequence[str]


@dataclass(frozen=True)
class Probed:
    """A probe has succeeded."""

    offers: Mapping[str, OfferedHandler]


@dataclass(frozen=True)
class ProbeFailed:
    """A probe has failed; the reason holds the traceback."""

    reason: str


DevEvent = Key | Changed | Probed | ProbeFailed


class DevEvents:
    """A queue of events, filled by threads."""

    def __init__(self) -> None:
        self._queue: Queue[DevEvent] = Queue()

    def add(self, event: DevEvent) -> None:
        """Add an event; from any thread."""
        self._queue.put(event)

    def next(self, within_s: float) -> DevEvent | None:
        """Return the next event, None after `within_s` seconds without one."""
        try:
            return self._queue.get(timeout=within_s)
        except Empty:
            return None


@contextmanager
def read_keys(events: DevEvents) -> Iterator[bool]:
    """Read keys within the block; yield whether there is a keyboard.

    Ctrl-C keeps its meaning, and keys are not echoed.
    """
    if not _is_in_foreground():
        yield False
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    threading.Thread(target=_read, args=(terminal, events), name="keys", daemon=True).start()
    try:
        yield True
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _is_in_foreground() -> bool:
    """Return whether this process is in the foreground of a terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()


def _read(terminal: int, events: DevEvents) -> None:
    with suppress(OSError):  # The terminal has been closed.
        while pressed := os.read(terminal, 1):
            events.add(Key(pressed.decode(errors="replace")))


MAX_LINE = 2_000


class Output:
    """Prints the logs of runs that start from now on."""

    def __init__(self, client: Client, print_line: Callable[[str], None]) -> None:
        self._client = client
        self._print = print_line
        self._is_following = False
        self.is_shown = False

    def toggle(self) -> bool:
        """Switch the output on or off; return whether it is on."""
        self.is_shown = not self.is_shown
        if self.is_shown and not self._is_following:
            self._is_following = True
            threading.Thread(target=self._follow, name="output", daemon=True).start()
        return self.is_shown

    def _follow(self) -> None:
        try:
            for message in self._client.stream(types="job.run.running"):
                run = message.run
                if run is not None and self.is_shown:
                    threading.Thread(
                        target=self._copy, args=(run.id, run.slug), daemon=True
                    ).start()
        except ClientError as error:
            self._print(f"the output of runs is no longer shown: {error}")
        finally:
            self._is_following = False

    def _copy(self, run_id: str, slug: str) -> None:
        with suppress(ClientError):
            for line in self._client.run(run_id).logs(follow=True):
                if not self.is_shown:
                    return
                self._print(f"{slug} | {in_one_line(line, MAX_LINE)}")


MAX_DIRECTORIES = 1_000
"""Directories that are searched: a large home directory would take too long."""

DEBOUNCE_MS = 200
"""Changes within this time are one event: version control writes many files at once."""

IGNORED = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "build", "dist"})
"""Directories without handlers; those whose names begin with a dot are ignored as well."""


@contextmanager
def watch_files(source: HandlerSource, events: DevEvents) -> Iterator[None]:
    """Watch the source's modules, and Python files below their directories, within the block."""
    directories = list(_with_python(_directories(source)))
    stopping = threading.Event()
    threading.Thread(
        target=_watch, args=(directories, stopping, events), name="files", daemon=True
    ).start()
    try:
        yield
    finally:
        stopping.set()


def _watch(directories: Sequence[Path], stopping: threading.Event, events: DevEvents) -> None:
    for changes in watch(
        *directories,
        watch_filter=PythonFilter(),
        debounce=DEBOUNCE_MS,
        stop_event=stopping,
        recursive=False,
        raise_interrupt=False,
        ignore_permission_denied=True,
    ):
        paths = sorted({path for _, path in changes})
        forget_compiled(paths)
        events.add(Changed(paths))


def forget_compiled(paths: Sequence[str]) -> None:
    """Remove the compiled versions of these files.

    Python compares times in seconds and sizes, so it may run an older version of a file that was
    saved twice within a second.
    """
    for path in paths:
        # If a file cannot be removed, Python could not write it either.
        with suppress(OSError):
            Path(cache_from_source(path)).unlink(missing_ok=True)


def _directories(source: HandlerSource) -> list[str]:
    """Return the directories of named files; if modules are named, the current one as well."""
    directories = list(source.directories)
    in_files = [
        module
        for module in source.modules
        if any(_has_module(Path(directory), module) for directory in directories)
    ]
    if len(in_files) < len(source.modules):
        directories.append(str(Path.cwd()))
    return directories


def _has_module(directory: Path, module: str) -> bool:
    first = module.partition(".")[0]
    return (directory / f"{first}.py").exists() or (directory / first).is_dir()


def _with_python(directories: Sequence[str]) -> Iterator[Path]:
    """Yield the directories, and those below them that hold Python files."""
    below = chain.from_iterable(os.walk(top) for top in dict.fromkeys(directories))
    for path, names, files in islice(below, MAX_DIRECTORIES):
        # `os.walk` does not descend into names that are removed from this list.
        names[:] = [name for name in names if name not in IGNORED and not name.startswith(".")]
        has_python = any(name.endswith(".py") for name in files)
        if has_python or path in directories:
            yield Path(path)


def packages_by_name(offers: Mapping[str, OfferedHandler]) -> Mapping[str, HandlerPackage]:
    """Return the package of each entry point."""
    return {name: offer.package for name, offer in offers.items()}


class HandlerProbes:
    """Probes the handlers; `offers` holds the result of the last probe that succeeded."""

    def __init__(self, source: HandlerSource, events: DevEvents) -> None:
        self._source = source
        self._events = events
        self._is_probing = False
        self._is_outdated = False
        self._is_closed = False
        self._processes: list[subprocess.Popen[bytes]] = []
        self._thread: threading.Thread | None = None
        self.offers: Mapping[str, OfferedHandler] = {}

    def probe_now(self) -> str | None:
        """Probe and wait; return what is wrong with the operator's handlers, None if nothing is.

        The built-in handlers are offered in any case.

        Raises:
            HandlersError: the built-in handlers cannot be probed.
        """
        try:
            self.offers = probe_handlers(collect_packages(self._source))
        except HandlersError as error:
            self.offers = probe_handlers(collect_packages(HandlerSource()))
            return str(error)
        return None

    def probe(self) -> None:
        """Probe in the background; the result becomes an event."""
        if self._is_probing:
            self._is_outdated = True
            return
        self._is_probing = True
        self._thread = threading.Thread(target=self._run_probe, name="probe", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Handle the end of a probe; probe again if files have changed meanwhile."""
        self._is_probing = False
        if self._is_outdated:
            self._is_outdated = False
            self.probe()

    def _run_probe(self) -> None:
        try:
            probed = probe_handlers(collect_packages(self._source), self._register_process)
        except (ValueError, OSError) as error:
            self._events.add(ProbeFailed(str(error)))
        else:
            self._events.add(Probed(probed))

    def close(self) -> None:
        """End probes in the background, and wait for their thread."""
        self._is_closed = True
        for process in self._processes:
            kill_probe(process)
        if self._thread is not None:
            self._thread.join()

    def _register_process(self, process: "subprocess.Popen[bytes]") -> None:
        self._processes = [other for other in self._processes if other.returncode is None]
        self._processes.append(process)
        if self._is_closed:
            kill_probe(process)


RELOAD_S = 10.0
"""How long a worker may take to use new handlers: it only starts processes."""

KEYS = (
    "keys: r launches the last run again, o shows the output of runs, d opens the dashboard,"
    " ? shows this; Ctrl-C stops"
)

PREVIOUS_STAY = "fix it and save it; until then the previous handlers stay in use"

NO_LONGER_DEFINED = (
    "{slug} is no longer defined, but stays listed with its runs;"
    " to delete it: apphub-jobs jobs delete {slug}"
)

Say = Callable[[str | Text], None]


class DevSupervisor(Supervisor):
    """Replaces handlers while everything else, runs included, continues."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        environment: Mapping[str, str],
        listening: socket.socket,
        say: Say,
        stop_grace_s: float,
        probes: HandlerProbes,
        events: DevEvents,
    ) -> None:
        """Take what `Supervisor` takes, the probes of handlers, and the events to handle."""
        self._file = HandlerFile()
        super().__init__(
            {**environment, **self._file.variables},
            listening,
            say,
            stop_grace_s,
            worker_descriptors=(self._file.descriptor,),
        )
        self._print = say
        self._probes = probes
        self._events = events
        self._client: Client | None = None
        self._output: Output | None = None
        self._dashboard = ""
        self._registered: set[str] = set()
        self.shows_output = False
        self.has_keys = False
        self.opens_dashboard = False

    def run(self) -> int:
        """Run with the handlers of the last probe."""
        self._file.write(packages_by_name(self._probes.offers))
        return super().run()

    def ready(self, url: str) -> None:
        """Register the jobs, once the API answers."""
        self._dashboard = callable_url(url)
        self._client = Client(self._dashboard)
        self._output = Output(self._client, self._say)
        self._register()
        if self.shows_output:
            self._output.toggle()
        if self.has_keys:
            self._say(KEYS)
        super().ready(url)
        if self.opens_dashboard:
            show(self._dashboard)

    def idle(self, for_s: float) -> None:
        """Handle the next event, or wait."""
        event = self._events.next(for_s)
        match event:
            case Changed(paths=paths):
                names = ", ".join(Path(path).name for path in paths)
                self._say(f"changed: {names}")
                self._probes.probe()
            case Probed(offers=offers):
                self._use(offers)
                self._probes.finish()
            case ProbeFailed(reason=reason):
                self._print(Text(reason, "red"))
                self._say(PREVIOUS_STAY)
                self._probes.finish()
            case Key(name=name):
                self._press(name)
            case None:
                pass

    def close(self) -> None:
        """Close everything that was opened."""
        super().close()
        self._probes.close()
        self._file.close()
        if self._client is not None:
            self._client.close()

    def _use(self, offers: Mapping[str, OfferedHandler]) -> None:
        """Let the worker use other handlers from now on."""
        self._probes.offers = offers
        worker = self.child("worker")
        worker.expect_ready()
        self._file.write(packages_by_name(offers))
        self._file.notify()
        deadline = monotonic() + RELOAD_S
        while not (worker.is_ready or worker.has_ended or self.is_stopping):
            if monotonic() > deadline:
                break
            worker.wait_ready(0.05)
        if worker.is_ready:
            self._say("the new handlers are in use")
            self._register()
        elif not self.is_stopping:
            self._say("the worker has not taken the new handlers yet")

    def _register(self) -> None:
        """Register the probed jobs, with a new version only if something changed."""
        client = self._client
        if client is None:
            return
        definitions = [offer.definition for offer in self._probes.offers.values()]
        slugs = {str(one["slug"]) for one in definitions if one is not None}
        for slug in sorted(self._registered - slugs):
            self._say(NO_LONGER_DEFINED.format(slug=slug))
        self._registered = slugs
        for offer in self._probes.offers.values():
            if offer.definition is None:
                continue
            try:
                plan = plan_of(client, offer.definition)
                if plan.action == "keep":
                    continue
                for line in lines_of(plan):
                    self._print(line)
                client.apply(offer.definition)
            except ClientError as error:
                self._print(Text(f"{offer.name} cannot be registered: {error}", "red"))

    def _press(self, key: str) -> None:
        match key:
            case "r":
                self._run_again()
            case "o":
                self._toggle_output()
            case "d":
                self._open_dashboard()
            case "?" | "h":
                self._say(KEYS)
            case _:
                pass

    def _toggle_output(self) -> None:
        self.shows_output = not self.shows_output
        if self._output is not None:
            self._output.toggle()
        state = "shown" if self.shows_output else "no longer shown"
        self._say(f"the output of runs is {state}")

    def _open_dashboard(self) -> None:
        if not self._dashboard:
            self._say("nothing is ready yet")
            return
        self._say(f"the dashboard is at {self._dashboard}")
        show(self._dashboard)

    def _run_again(self) -> None:
        client = self._client
        if client is None:
            self._say("nothing is ready yet")
            return
        try:
            last = next(iter(client.runs()), None)
            if last is None:
                self._say("there are no runs yet; to launch one: apphub-jobs run SLUG name=value")
                return
            client.launch(last.slug, last.document.parameters)
        except ClientError as error:
            self._print(Text(f"cannot run it again: {error}", "red"))
