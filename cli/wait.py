"""Waits for the end of a run, with its progress, and for a service to be ready.

First runs (`Waiting`), then `apphub-jobs ready`, for scripts that have just started a service.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from queue import Empty, Queue
from time import monotonic, sleep
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from api.data_directory import resolve_data_dir
from apphub_jobs.client import ApiError, Client, ClientError, Run, RunDocument, UnreachableError
from apphub_jobs.client.http import is_transient, resolve_url, stream_of
from apphub_jobs.contract import Json
from cli.options import command, exit_on_error
from cli.run_lines import before_start
from cli.service import ServiceOptions
from cli.terminal import print_output
from cli.times import duration_of_option
from runtime.text import duration, in_one_line

MAX_POLL_S = 1.0
"""The longest pause between requests for the run; the stream is faster where it works."""

FIRST_POLL_S = 0.05
"""The first pause, which then doubles: a short run may end before the stream is open."""

UNSTARTED_S = 10.0
"""After this long without a start, a hint is printed."""

CANCEL_S = 30.0
"""How long to wait for a canceled run to stop."""

OUTPUT_S = 5.0
"""How long to wait for the rest of an ended run's output."""

GAVE_UP, INTERRUPTED = 124, 130

EXIT_CODES = {"succeeded": 0, "failed": 3, "canceled": 5, "expired": 6}


UNSTARTED = "no worker has started it yet; to see why: apphub-jobs runs explain {run}"


@dataclass(frozen=True)
class WaitingOptions:
    """How long to wait, and what to show meanwhile."""

    wait_for: Annotated[
        str | None, typer.Option(help="Give up waiting after this time, such as 30s or 5m.")
    ] = None
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show the run's output, on standard error.")
    ] = False

    @property
    def seconds(self) -> float | None:
        """How many seconds to wait; None without a limit."""
        return seconds_of(self.wait_for)


def seconds_of(wait_for: str | None) -> float | None:
    """Return the seconds of an option `--wait-for`; None without it.

    Raises:
        typer.BadParameter: it is no duration.
    """
    return None if wait_for is None else duration_of_option(wait_for, "--wait-for").total_seconds()


class Waiting:
    """Waits for the end of a run, and shows its progress."""

    def __init__(
        self, run: Run[Json], make_client: Callable[[], Client], *, with_output: bool
    ) -> None:
        """Take the run.

        Args:
            run: the run.
            make_client: makes a client for a thread, which lives as long as the process.
            with_output: whether to print the run's output, on standard error.
        """
        self._make_client = make_client
        self._run = run
        self._with_output = with_output
        self._updates: Queue[RunDocument] = Queue()
        self._output: threading.Thread | None = None
        self._hint_printed = False
        self._is_answered = True

    def until_end(self, within_s: float | None) -> int:
        """Wait, and return the command's exit code; at Ctrl-C ask whether to cancel the run.

        Args:
            within_s: how long to wait; None without a limit.
        """
        try:
            return self._until_end(within_s)
        except KeyboardInterrupt:
            return self._interrupted()

    def _until_end(self, within_s: float | None) -> int:
        give_up_at = None if within_s is None else monotonic() + within_s
        self._listen()
        poll_s = FIRST_POLL_S
        with _open_bar() as progress:
            document = self._run.document
            while not document.is_final:
                progress.show(document)
                timeout_s = poll_s
                if give_up_at is not None:
                    timeout_s = min(poll_s, give_up_at - monotonic())
                if timeout_s <= 0:
                    _say(f"gave up waiting; the run continues: {self._run.id}")
                    return GAVE_UP
                document = self._next(timeout_s)
                self._run.document = document
                poll_s = min(2 * poll_s, MAX_POLL_S)
                self._hint_if_unstarted(document)
        if self._output is not None:
            self._output.join(OUTPUT_S)
        _print_end(document)
        return EXIT_CODES[document.status]

    def _next(self, within_s: float) -> RunDocument:
        """Return the run from the stream's next message, or by a request after the timeout."""
        try:
            return self._updates.get(timeout=within_s)
        except Empty:
            return self._request()

    def _request(self) -> RunDocument:
        """Return the run as it is now; if the service cannot be reached, as it was before."""
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

    def _hint_if_unstarted(self, run: RunDocument) -> None:
        """Print once why a run that is due may not have started."""
        late_s = (datetime.now(UTC) - run.scheduled_at).total_seconds()
        if self._hint_printed or run.status != "pending" or late_s < UNSTARTED_S:
            return
        self._hint_printed = True
        _say(UNSTARTED.format(run=run.id))

    def _listen(self) -> None:
        threading.Thread(target=self._follow_stream, daemon=True).start()
        if not self._with_output or self._output is not None:
            return
        self._output = threading.Thread(target=self._follow_output, daemon=True)
        self._output.start()

    def _follow_stream(self) -> None:
        # Errors show again in the requests for the run.
        with suppress(ClientError):
            for message in self._make_client().stream(types="job.run.*", job=self._run.slug):
                run = message.run
                if run is not None and run.id == self._run.id:
                    self._updates.put(run)

    def _follow_output(self) -> None:
        with suppress(ClientError):
            run = self._make_client().run(self._run.id)
            attempt = 0
            while attempt < run.document.attempt:
                attempt = run.document.attempt
                for line in run.logs(attempt=attempt, follow=True):
                    print_output(line, sys.stderr, is_error=stream_of(line) == "stderr")
                run.refresh()

    def _interrupted(self) -> int:
        if not (sys.stdin.isatty() and _wants_cancel()):
            _say(f"the run continues; to wait for it: apphub-jobs runs watch {self._run.id}")
            return INTERRUPTED
        self._run.cancel("interrupted at the terminal")
        return self._until_end(CANCEL_S)


def _wants_cancel() -> bool:
    try:
        return typer.confirm("\ncancel the run?", err=True)
    except (typer.Abort, KeyboardInterrupt):
        return False


def _print_end(run: RunDocument) -> None:
    text = f"{run.slug} {run.status}"
    if run.duration_ms is not None:
        text += f" after {duration(run.duration_ms)}"
    if run.started_at is None:
        text += f" {before_start(run)}"
    elif run.max_attempts > 1:
        text += f" in attempt {run.attempt} of {run.max_attempts}"
    if run.status != "succeeded":
        reason = run.error_message or run.failure_reason or "no reason given"
        text += f": {in_one_line(reason)}"
    _say(text)


class _Bar:
    """A progress bar on standard error if it is a terminal."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def show(self, run: RunDocument) -> None:
        """Show the run's status and progress."""
        description = f"{run.slug} {run.status}"
        if run.max_attempts > 1:
            description += f", attempt {run.attempt} of {run.max_attempts}"
        if self._task is None:
            self._task = self._bars.add_task("", total=None)
        total = None if run.metrics.get("progress") is None else 100.0
        self._bars.update(
            self._task, description=description, completed=100 * _progress(run), total=total
        )


def _progress(run: RunDocument) -> float:
    """Return the reported progress, 0 to 1; 0 for a report that is not a number."""
    reported = run.metrics.get("progress")
    if isinstance(reported, int | float) and not isinstance(reported, bool):
        return min(max(float(reported), 0.0), 1.0)
    return 0.0


@contextmanager
def _open_bar() -> Iterator[_Bar]:
    """Open a progress bar, and remove it in the end."""
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


ready_app = typer.Typer()

READY_POLL_S = 0.2


@command(ready_app)
def ready(
    *,
    within_s: Annotated[
        float, typer.Option(min=0, help="Seconds to wait before giving up.")
    ] = 120.0,
    to: ServiceOptions,
) -> None:
    """Wait until a service is ready, and print its address; exit with 124 if none is in time."""
    if to.url is not None:
        # A wrong address will not become right by waiting.
        exit_on_error(partial(resolve_url, to.url))
    give_up_at = monotonic() + within_s
    while True:
        address = to.address
        if address is not None and _is_ready(address, to.token):
            typer.echo(address)
            return
        if monotonic() > give_up_at:
            break
        sleep(READY_POLL_S)
    where = to.url or resolve_data_dir(to.data_dir)
    typer.echo(
        f"apphub-jobs: no service is ready at {where} after {within_s:g} s:"
        " start one with `apphub-jobs up`, or find the problem with `apphub-jobs doctor`",
        err=True,
    )
    raise typer.Exit(GAVE_UP)


def _is_ready(url: str, token: str | None) -> bool:
    try:
        with Client(url, token, retry_for=0) as client:
            client.request("GET", "/ready")
    except (ClientError, ValueError):
        return False
    return True
