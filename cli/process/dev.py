"""`apphub-jobs dev`: everything as in `up`, with the handlers of files that are being written.

First the dashboard in a browser; then what `dev` waits for (keys, changed files, the answers of
probes), the output of runs, and the watch over handlers' directories; then the probes that look for
handlers whenever files have changed (`Workshop`), and `Developer`, which replaces handlers while
runs continue.
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
from cli.process.up import Child, Supervisor
from cli.run_lines import in_one_line
from worker.executors.local.probe import HandlersError, Offer, end_probe, offers
from worker.executors.packages import HandlerPackage, HandlerSource, packages_of

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")

_ALWAYS_ON_SCREEN = ("darwin", "win32")


def has_screen(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Return whether a browser would open before the eyes of whoever sits at this terminal.

    Where there is no screen, browsers of the terminal itself would take its place; through SSH, a
    browser would be the other machine's. `BROWSER` says what to use all the same: editors that work
    on another machine set it to what opens a page on this one.
    """
    if environment.get("BROWSER"):
        return True
    if environment.get("SSH_CONNECTION"):
        return False
    if platform in _ALWAYS_ON_SCREEN:
        return True
    return any(environment.get(name) for name in _SCREENS)


def show(url: str) -> None:
    """Open the address in a browser, which may take its time."""
    threading.Thread(target=webbrowser.open, args=(url,), name="browser", daemon=True).start()


@dataclass(frozen=True)
class Key:
    """Somebody has pressed a key."""

    name: str


@dataclass(frozen=True)
class Changed:
    """Files have changed."""

    paths: Sequence[str]


@dataclass(frozen=True)
class Probed:
    """Handlers have been found anew."""

    offers: Mapping[str, Offer]


@dataclass(frozen=True)
class NotTaken:
    """Handlers cannot be had as their files are now; the reason says why, with the traceback."""

    reason: str


Happening = Key | Changed | Probed | NotTaken


class Happenings:
    """A queue of what is to be dealt with, one after the other."""

    def __init__(self) -> None:
        self._queue: Queue[Happening] = Queue()

    def add(self, happening: Happening) -> None:
        """Add one; from any thread."""
        self._queue.put(happening)

    def next(self, within_s: float) -> Happening | None:
        """Return the next one, None if there is none for so long."""
        try:
            return self._queue.get(timeout=within_s)
        except Empty:
            return None


# Single keys at a terminal, read as they are pressed.


@contextmanager
def keys_heard(happenings: Happenings) -> Iterator[bool]:
    """Hear keys as long as it lasts; give whether there is a keyboard at all.

    Ctrl-C goes on to mean what it always does, and what is pressed is not shown.
    """
    if not _in_front():
        yield False
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    threading.Thread(target=_read, args=(terminal, happenings), name="keys", daemon=True).start()
    try:
        yield True
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _in_front() -> bool:
    """Return whether there is a terminal whose keys are meant for this process."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()


def _read(terminal: int, happenings: Happenings) -> None:
    with suppress(OSError):  # The terminal has been closed.
        while pressed := os.read(terminal, 1):
            happenings.add(Key(pressed.decode(errors="replace")))


LONGEST_LINE = 2_000


class Output:
    """Copies the logs of runs that start from now on."""

    def __init__(self, client: Client, print_line: Callable[[str], None]) -> None:
        self._client = client
        self._print = print_line
        self._is_following = False
        self.is_shown = False

    def toggle(self) -> bool:
        """Show it, or no longer; return which."""
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
            self._print(f"the output of runs is not shown any more: {error}")
        finally:
            self._is_following = False

    def _copy(self, run_id: str, slug: str) -> None:
        with suppress(ClientError):
            for line in self._client.run(run_id).logs(follow=True):
                if not self.is_shown:
                    return
                told = f"{slug} | {in_one_line(line, LONGEST_LINE)}"
                self._print(told)


MOST_DIRECTORIES = 1_000
"""So many are looked into: whoever works in a whole home must not wait for all of it."""

GATHERED_MS = 200
"""Changes that follow each other so closely are one: version control writes many files at once."""

LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "build", "dist"})
"""Directories in which nobody edits handlers; neither in those that begin with a dot."""


@contextmanager
def watched(source: HandlerSource, happenings: Happenings) -> Iterator[None]:
    """Tell of changes where the source's modules are, and below where Python files lie."""
    directories = list(_with_python(_directories(source)))
    stopping = threading.Event()
    threading.Thread(
        target=_watch, args=(directories, stopping, happenings), name="files", daemon=True
    ).start()
    try:
        yield
    finally:
        stopping.set()


def _watch(directories: Sequence[Path], stopping: threading.Event, happenings: Happenings) -> None:
    for changes in watch(
        *directories,
        watch_filter=PythonFilter(),
        debounce=GATHERED_MS,
        stop_event=stopping,
        recursive=False,
        raise_interrupt=False,
        ignore_permission_denied=True,
    ):
        paths = sorted({path for _, path in changes})
        forget_compiled(paths)
        happenings.add(Changed(paths))


def forget_compiled(paths: Sequence[str]) -> None:
    """Remove what Python has kept of these files.

    It goes by their second and size, so of two versions that are saved at once it runs the first.
    """
    for path in paths:
        # Where nothing may be removed, nothing could be kept.
        with suppress(OSError):
            Path(cache_from_source(path)).unlink(missing_ok=True)


def _directories(source: HandlerSource) -> list[str]:
    """Return where named files lie; where modules are named, also where those are looked for."""
    directories = list(source.directories)
    in_files = [
        module
        for module in source.modules
        if any(_lies_in(directory, module) for directory in directories)
    ]
    if len(in_files) < len(source.modules):
        directories.append(str(Path.cwd()))
    return directories


def _lies_in(directory: str, module: str) -> bool:
    first = module.partition(".")[0]
    place = Path(directory)
    file = place / f"{first}.py"
    folder = place / first
    return file.exists() or folder.is_dir()


def _with_python(directories: Sequence[str]) -> Iterator[Path]:
    """Yield the directories, and what lies below them that holds Python files."""
    tops = dict.fromkeys(directories)
    below = chain.from_iterable(os.walk(top) for top in tops)
    for path, names, files in islice(below, MOST_DIRECTORIES):
        # What is taken out of this list is not walked into.
        names[:] = [name for name in names if _is_looked_into(name)]
        has_python = any(name.endswith(".py") for name in files)
        if has_python or path in directories:
            yield Path(path)


def _is_looked_into(name: str) -> bool:
    return name not in LEFT_OUT and not name.startswith(".")


# The handlers that `dev` offers: probed in the background whenever their files have changed.


def packages_by_name(offers: Mapping[str, Offer]) -> Mapping[str, HandlerPackage]:
    """Return the package of each entry point."""
    return {name: offer.package for name, offer in offers.items()}


class Workshop:
    """Asks probes what there is; the last answer that was no failure counts."""

    def __init__(self, source: HandlerSource, happenings: Happenings) -> None:
        self._source = source
        self._happenings = happenings
        self._is_probing = False
        self._once_more = False
        self._is_closed = False
        self._probes: list[subprocess.Popen[bytes]] = []
        self._thread: threading.Thread | None = None
        self.offers: Mapping[str, Offer] = {}

    def first(self) -> str | None:
        """Ask now; return what is wrong with the operator's handlers, if so.

        What else there is, such as the built-in handlers, is offered all the same.

        Raises:
            HandlersError: not even that can be had.
        """
        try:
            self.offers = offers(packages_of(self._source))
        except HandlersError as error:
            self.offers = offers(packages_of(HandlerSource()))
            return str(error)
        return None

    def look(self) -> None:
        """Ask in the background; what comes of it is a happening."""
        if self._is_probing:
            self._once_more = True
            return
        self._is_probing = True
        self._thread = threading.Thread(target=self._probe, name="probe", daemon=True)
        self._thread.start()

    def done(self) -> None:
        """Note that an answer has come; ask again where files have changed meanwhile."""
        self._is_probing = False
        if self._once_more:
            self._once_more = False
            self.look()

    def _probe(self) -> None:
        try:
            found = offers(packages_of(self._source), self._take)
        except (ValueError, OSError) as error:
            self._happenings.add(NotTaken(str(error)))
        else:
            self._happenings.add(Probed(found))

    def close(self) -> None:
        """End what is being asked in the background, and leave nothing of it behind."""
        self._is_closed = True
        for process in self._probes:
            end_probe(process)
        if self._thread is not None:
            self._thread.join()

    def _take(self, process: "subprocess.Popen[bytes]") -> None:
        self._probes = [one for one in self._probes if one.returncode is None]
        self._probes.append(process)
        if self._is_closed:
            end_probe(process)


RELOAD_S = 10.0
"""How long a worker may take to use other handlers: it only starts processes."""

KEYS = (
    "keys: r runs the last one again, o shows what runs print, d opens the dashboard,"
    " ? helps; Ctrl-C stops"
)

KEPT = "mend it and save it; until then the handlers of before stay"

GONE = (
    "{slug} is defined no more, but stays listed with its runs;"
    " to remove it: apphub-jobs jobs delete {slug}"
)

Say = Callable[[str | Text], None]


class Developer(Supervisor):
    """Replaces handlers while everything else, runs included, goes on."""

    def __init__(
        self,
        environment: Mapping[str, str],
        listening: socket.socket,
        say: Say,
        workshop: Workshop,
        happenings: Happenings,
    ) -> None:
        """Take what `up` takes, what probes the handlers, and what there is to be dealt with."""
        self._file = HandlerFile()
        super().__init__(
            {**environment, **self._file.variables},
            listening,
            say,
            worker_passed=(self._file.descriptor,),
        )
        self._talk = say
        self._workshop = workshop
        self._happenings = happenings
        self._client: Client | None = None
        self._output: Output | None = None
        self._dashboard = ""
        self._registered: set[str] = set()
        self.shows_output = False
        self.has_keys = False
        self.opens_dashboard = False

    def run(self) -> int:
        """Run with the handlers that the workshop has found so far."""
        self._file.write(packages_by_name(self._workshop.offers))
        return super().run()

    def ready(self, url: str) -> None:
        """Register the jobs once somebody can be asked to."""
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
        """Deal with what happens meanwhile."""
        happening = self._happenings.next(for_s)
        match happening:
            case Changed(paths=paths):
                names = ", ".join(Path(path).name for path in paths)
                self._say(f"changed: {names}")
                self._workshop.look()
            case Probed(offers=offers):
                self._use(offers)
                self._workshop.done()
            case NotTaken(reason=reason):
                self._talk(Text(reason, "red"))
                self._say(KEPT)
                self._workshop.done()
            case Key(name=name):
                self._press(name)
            case None:
                pass

    def close(self) -> None:
        """Let go of what was opened."""
        super().close()
        self._workshop.close()
        self._file.close()
        if self._client is not None:
            self._client.close()

    def _use(self, offers: Mapping[str, Offer]) -> None:
        """Have the worker use other handlers from now on."""
        self._workshop.offers = offers
        worker = self.child("worker")
        worker.expect_ready()
        self._file.write(packages_by_name(offers))
        self._file.poke()
        deadline = monotonic() + RELOAD_S
        while self._waits_for(worker) and monotonic() < deadline:
            worker.wait_ready(0.05)
        if worker.is_ready:
            self._say("the new handlers are in use")
            self._register()
        elif not self.is_stopping:
            self._say("the worker has not taken the new handlers yet")

    def _waits_for(self, worker: Child) -> bool:
        return not (worker.is_ready or worker.ended or self.is_stopping)

    def _register(self) -> None:
        """Register the jobs found, a new version only where something changed."""
        client = self._client
        if client is None:
            return
        definitions = [offer.definition for offer in self._workshop.offers.values()]
        slugs = {str(one["slug"]) for one in definitions if one is not None}
        for slug in sorted(self._registered - slugs):
            self._say(GONE.format(slug=slug))
        self._registered = slugs
        for offer in self._workshop.offers.values():
            if offer.definition is None:
                continue
            try:
                plan = plan_of(client, offer.definition)
                if plan.what == "keep":
                    continue
                for line in lines_of(plan):
                    self._talk(line)
                client.apply(offer.definition)
            except ClientError as error:
                told = f"{offer.name} cannot be registered: {error}"
                self._talk(Text(told, "red"))

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
        shown = "shown" if self.shows_output else "no longer shown"
        self._say(f"what runs print is {shown}")

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
                self._say("nothing was run yet: apphub-jobs run SLUG name=value")
                return
            client.launch(last.slug, last.document.parameters)
        except ClientError as error:
            line = Text(f"cannot run it again: {error}", "red")
            self._talk(line)
