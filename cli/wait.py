"""Waiting at a terminal: for a run, with its progress, and for a service that has just started.

First the waiting for a run, until it ends or a time limit is over (`Waiting`), then `apphub-jobs
ready`, for scripts that have just started a service.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, Queue
from time import monotonic, sleep
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from api.data_directory import directory_of
from apphub_jobs.client import ApiError, Client, ClientError, Run, RunDocument, UnreachableError
from apphub_jobs.client.http import is_transient, resolve_url
from apphub_jobs.contract import Json
from apphub_jobs.typed.job import milliseconds
from cli.options import command, read
from cli.process.announcement import services
from cli.run_lines import duration, in_one_line
from cli.service import ServiceOptions
from cli.terminal import print_output

LOOK_AGAIN_S = 1.0
"""How often the run is asked for at most, beside the stream that tells of it at once."""

FIRST_LOOK_S = 0.05
"""When for the first time: a short run may have ended before the stream tells; then ever later."""

UNSTARTED_S = 10.0
"""After so long without any start somebody is told why that may be."""

CANCEL_S = 30.0
"""How long a canceled run may take to stop before nobody waits any longer."""

REST_S = 5.0
"""How long what an ended run has printed may take to come."""

GAVE_UP, INTERRUPTED = 124, 130

EXIT_CODES = {"succeeded": 0, "failed": 3, "canceled": 5, "expired": 6}


UNSTARTED = (
    "no worker has taken it yet: they may all be busy, or none runs; `apphub-jobs runs list"
    " --status running` shows what does, `apphub-jobs up` or `worker` starts one"
)


@dataclass(frozen=True)
class WaitingOptions:
    """How long to wait, and what to show meanwhile."""

    wait_for: Annotated[
        str | None, typer.Option(help="Give up waiting after so long, such as 30s or 5m.")
    ] = None
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show what the run prints, on standard error.")
    ] = False

    @property
    def seconds(self) -> float | None:
        """How long to wait, None for as long as it takes."""
        if self.wait_for is None:
            return None
        try:
            return milliseconds(self.wait_for) / 1_000
        except ValueError as error:
            raise typer.BadParameter(f"--wait-for: {error}") from None


class Waiting:
    """Waits for one run, and shows meanwhile what it does."""

    def __init__(self, run: Run[Json], another: Callable[[], Client], *, with_output: bool) -> None:
        """Take what is waited for.

        Args:
            run: to be asked for.
            another: makes a client for a thread of its own, which lives as long as the process.
            with_output: whether what the run prints is shown, on standard error.
        """
        self._another = another
        self._run = run
        self._with_output = with_output
        self._seen: Queue[RunDocument] = Queue()
        self._output: threading.Thread | None = None
        self._is_told = False
        self._is_answered = True

    def until_end(self, within_s: float | None) -> int:
        """Wait, and return the command's exit code; Ctrl-C asks whether to cancel."""
        try:
            return self._until_end(within_s)
        except KeyboardInterrupt:
            return self._interrupted()

    def _until_end(self, within_s: float | None) -> int:
        give_up_at = None if within_s is None else monotonic() + within_s
        self._listen()
        look_s = FIRST_LOOK_S
        with shown_progress() as progress:
            document = self._run.document
            while not document.is_final:
                progress.show(document)
                left_s = look_s
                if give_up_at is not None:
                    left_s = min(look_s, give_up_at - monotonic())
                if left_s <= 0:
                    told = f"gave up waiting; the run goes on: {self._run.id}"
                    _say(told)
                    return GAVE_UP
                document = self._next(left_s)
                self._run.document = document
                look_s = min(2 * look_s, LOOK_AGAIN_S)
                self._tell_if_unstarted(document)
        if self._output is not None:
            self._output.join(REST_S)
        tell_end(document)
        return EXIT_CODES[document.status]

    def _next(self, within_s: float) -> RunDocument:
        """Return the run as the stream tells next, or as it is after so long."""
        try:
            return self._seen.get(timeout=within_s)
        except Empty:
            return self._asked()

    def _asked(self) -> RunDocument:
        """Return the run as it is, or as it was seen last: it goes on where nobody answers."""
        try:
            document = self._run.refresh()
        except (ApiError, UnreachableError) as error:
            if not is_transient(error):
                raise
            if self._is_answered:
                _say(f"the service does not answer; waiting for run {self._run.id}")
            self._is_answered = False
            return self._run.document
        self._is_answered = True
        return document

    def _tell_if_unstarted(self, run: RunDocument) -> None:
        """Say once what helps a run that is due and that no worker takes."""
        late_s = (datetime.now(UTC) - run.scheduled_at).total_seconds()
        if self._is_told or run.status != "pending" or late_s < UNSTARTED_S:
            return
        self._is_told = True
        _say(UNSTARTED)

    def _listen(self) -> None:
        listening = threading.Thread(target=self._follow_stream, daemon=True)
        listening.start()
        if not self._with_output or self._output is not None:
            return
        self._output = threading.Thread(target=self._follow_output, daemon=True)
        self._output.start()

    def _follow_stream(self) -> None:
        # What goes wrong here is found by asking for the run.
        with suppress(ClientError):
            client = self._another()
            for message in client.stream(types="job.run.*", job=self._run.slug):
                run = message.run
                if run is not None and run.id == self._run.id:
                    self._seen.put(run)

    def _follow_output(self) -> None:
        with suppress(ClientError):
            run = self._another().run(self._run.id)
            attempt = 0
            while attempt < run.document.attempt:
                attempt = run.document.attempt
                for line in run.logs(attempt=attempt, follow=True):
                    print_output(line, sys.stderr)
                run.refresh()

    def _interrupted(self) -> int:
        if not (sys.stdin.isatty() and _wants_cancel()):
            told = f"the run goes on: apphub-jobs runs watch {self._run.id}"
            _say(told)
            return INTERRUPTED
        self._run.cancel("interrupted at the terminal")
        return self._until_end(CANCEL_S)


def _wants_cancel() -> bool:
    try:
        return typer.confirm("\ncancel the run?", err=True)
    except (typer.Abort, KeyboardInterrupt):
        return False


def tell_end(run: RunDocument) -> None:
    """Say how a run ended."""
    told = f"{run.slug} {run.status}"
    if run.duration_ms is not None:
        took = duration(run.duration_ms)
        told += f" after {took}"
    if run.max_attempts > 1:
        told += f" in attempt {run.attempt} of {run.max_attempts}"
    if run.status != "succeeded":
        reason = run.error_message or run.failure_reason or "no reason given"
        why = in_one_line(reason)
        told += f": {why}"
    _say(told)


class _Bar:
    """A bar on the terminal behind standard error; nothing where there is none."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def show(self, run: RunDocument) -> None:
        """Show what the run does, and how far it is."""
        if self._task is None:
            self._task = self._bars.add_task("", total=None)
        self._bars.update(
            self._task, description=_told(run), completed=_percent(run), total=_total(run)
        )


def _told(run: RunDocument) -> str:
    told = f"{run.slug} {run.status}"
    if run.max_attempts > 1:
        told += f", attempt {run.attempt} of {run.max_attempts}"
    return told


def _percent(run: RunDocument) -> float:
    return 100 * _progress(run)


def _total(run: RunDocument) -> float | None:
    if run.metrics.get("progress") is None:
        return None
    return 100.0


def _progress(run: RunDocument) -> float:
    """Return how much is done; what a handler reports may be anything."""
    reported = run.metrics.get("progress")
    if isinstance(reported, int | float) and not isinstance(reported, bool):
        return min(max(float(reported), 0.0), 1.0)
    return 0.0


@contextmanager
def shown_progress() -> Iterator[_Bar]:
    """Give a bar, and take it away in the end."""
    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=False,
        redirect_stderr=True,
    )
    with bars:
        yield _Bar(bars)


def _say(text: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text(text))


readiness = typer.Typer()

READY_LOOK_AGAIN_S = 0.2


@command(readiness)
def ready(
    *,
    within_s: Annotated[
        float, typer.Option(min=0, help="Seconds to wait before giving up.")
    ] = 120.0,
    to: ServiceOptions,
) -> None:
    """Wait until a service is ready, and print its address; exit with 124 if none is in time."""
    if to.url is not None:
        given = to.url
        read(lambda: resolve_url(given))  # No waiting makes a right one of it.
    give_up_at = monotonic() + within_s
    while True:
        url = to.url or _running(to)
        if url is not None and _is_ready(url, to.token):
            typer.echo(url)
            return
        if monotonic() > give_up_at:
            break
        sleep(READY_LOOK_AGAIN_S)
    where = to.url or directory_of(to.data_dir)
    typer.echo(
        f"apphub-jobs: no service is ready at {where} after {within_s:g} s:"
        " start one with `apphub-jobs up`, and see what `apphub-jobs doctor` says",
        err=True,
    )
    raise typer.Exit(GAVE_UP)


def _running(to: ServiceOptions) -> str | None:
    found = services(directory_of(to.data_dir))
    return found[0] if found else None


def _is_ready(url: str, token: str | None) -> bool:
    try:
        with Client(url, token, retry_for=0) as client:
            client.request("GET", "/ready")
    except (ClientError, ValueError):
        return False
    return True
