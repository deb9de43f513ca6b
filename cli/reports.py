"""Shared by operators' commands: running until a signal, lines of output, a progress bar."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
import typer
import uvloop
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from cli.options import failure
from cli.process.signals import stop_signals
from cli.terminal import harmless
from domain.errors import SubjectKeysUnavailableError
from domain.json_values import JsonObject
from eventlog.archive.files import ArchiveError
from eventlog.archive.reading import ArchiveCheck
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import RebuildUnderWayError
from eventlog.rebuild.verify import Comparison
from eventlog.seal.report import Report
from projections.tables import FoldError
from runtime.text import pluralize

T = TypeVar("T")

MAX_VALUE_CHARACTERS = 120
"""Characters of a value that a line shows; `--json` has all."""

MAX_EVENTS = 8
"""Events of a row that a line names."""


def finish(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own and return its result.

    Raises:
        typer.Exit: a signal stopped it, or it failed; the message has been printed.
    """
    stopped_by = 0

    async def watched() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()

        def stop(number: int) -> None:
            nonlocal stopped_by
            stopped_by = number
            if task is not None:
                task.cancel()

        for number in stop_signals():
            loop.add_signal_handler(number, stop, number)
        return await main

    try:
        # A tenth less work than asyncio's.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop_runner:
            return loop_runner.run(watched())
    except asyncio.CancelledError:
        typer.echo("apphub-jobs: stopped; nothing is half done: run the command again", err=True)
        raise typer.Exit(128 + stopped_by) from None
    except (FoldError, RebuildUnderWayError, ArchiveError, SubjectKeysUnavailableError) as error:
        raise failure(error) from None


class View:
    """Prints lines on standard output, and a progress bar on standard error if it is a terminal."""

    def __init__(self, bars: Progress, *, json: bool) -> None:
        self._bars = bars
        self._json = json
        self._label = ""
        self._task: TaskID | None = None

    def progress(self, what: str, done: int, total: int) -> None:
        """Show in the bar that `done` of `total` are done."""
        self._bars.start()
        if self._task is not None and what != self._label:
            self._bars.remove_task(self._task)
            self._task = None
        task = self._task
        if task is None:
            task = self._task = self._bars.add_task(what, total=total)
            self._label = what
        self._bars.update(task, completed=done, total=total)

    def line(self, text: str) -> None:
        """Print a line; the bar is removed until the next progress."""
        self._bars.stop()
        typer.echo(harmless(text))

    def difference(self, difference: Difference) -> None:
        """Print a difference between a table and the log."""
        if self._json:
            self._document(difference.present())
            return
        self.line(f"{difference.table} {difference.key}: {_KINDS[difference.kind]}")
        if difference.reason is not None:
            self.line(f"    {difference.reason}")
            return
        for name, (expected, actual) in difference.columns.items():
            self.line(f"    {name}: expected {_short(expected)}, found {_short(actual)}")
        self.line(f"    events: {_history(difference.events)}")

    def checked(self, checked: Comparison) -> None:
        """Print the result for a table."""
        if self._json:
            self._document({**vars(checked), "kind": "table"})
            return
        table = checked.table
        events = f"{pluralize(checked.events, 'event')} up to position {checked.position}"
        rows = f"{pluralize(checked.rows, 'row')} of {events}"
        if checked.differences:
            differ = "DIFFERS" if checked.differences == 1 else "DIFFER"
            self.line(f"{table}: {rows}: {checked.differences} {differ}")
            self.line(f"    to repair them: apphub-jobs projections rebuild {table}")
        elif not checked.unreadable:
            self.line(f"{table}: {rows}: equal to the log")
        if checked.unreadable:
            self.line(f"{table}: {checked.unreadable} CANNOT BE READ by this version")

    def archive(self, checked: ArchiveCheck) -> None:
        """Print the result for an archive."""
        if self._json:
            self._document(checked.present())
        elif checked.problem:
            self.line(checked.problem)
        else:
            events = f"{pluralize(checked.events, 'event')} of {pluralize(checked.runs, 'run')}"
            self.line(f"archive {checked.file}: {events}: as it was written")

    def fact(self, document: JsonObject, text: str) -> None:
        """Print a fact: the document with `--json`, else the text."""
        if self._json:
            self._document(document)
        else:
            self.line(text)

    def _document(self, document: Mapping[str, object]) -> None:
        self.line(orjson.dumps(document).decode())


_KINDS = {
    "missing": "is missing",
    "extra": "should not be there",
    "differs": "differs",
    "unreadable": "cannot be read",
}


@contextmanager
def open_view(*, json: bool) -> Iterator[View]:
    """Open a view, and remove its bar in the end."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bars = Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    try:
        yield View(bars, json=json)
    finally:
        bars.stop()


def _short(value: str | None) -> str:
    if value is None:
        return "NULL"
    if len(value) <= MAX_VALUE_CHARACTERS:
        return f"'{value}'"
    return f"'{value[:MAX_VALUE_CHARACTERS]}…'"


def _history(events: Sequence[tuple[int, str]]) -> str:
    if not events:
        return "none"
    names = [f"{position} {topic}" for position, topic in events]
    left_out = len(names) - MAX_EVENTS
    if left_out > 0:
        first, *others = names
        names = [first, f"… {left_out + 1} more …", *others[left_out + 1 :]]
    return ", ".join(names)


def describe_seals(report: Report) -> str:
    """Return the result of comparing the log with its seals, as lines for people."""
    checked = f"{pluralize(report.events, 'event')} and {pluralize(report.seals, 'good seal')}"
    lines = [f"looked at {checked} of log {report.log_id}"]
    if report.last is not None:
        head = report.last.head
        seal = f"seal {head.number}, {head.sealed_at}"
        lines.append(f"sealed up to position {head.position} ({seal})")
    if report.unsealed:
        unsealed = "1 event after that is not sealed: nothing can be said about it"
        if report.unsealed > 1:
            unsealed = (
                f"{report.unsealed} events after that are not sealed: nothing can be said about"
                " them"
            )
        lines.append(unsealed)
    if report.kept:
        were = "was" if report.kept == 1 else "were"
        heads = f"{pluralize(report.kept, 'head')} that {were} kept outside the database"
        lines.append(f"compared with {heads}")
    lines += map(str, report.findings)
    if report.not_reported:
        lines.append(f"and {report.not_reported} more")
    if report.first is None:
        lines.append("the log is what was sealed")
    else:
        lines.append(f"the log is not what was sealed; first bad position: {report.first.position}")
    return "\n".join(lines)
