"""What commands of operators have in common: the database as it is, an end by signals, lines and a bar."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator, Sequence
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

from api.cli.options import failure
from domain.errors import SubjectKeysUnavailableError
from domain.json_values import JsonObject
from eventlog.archive.check import CheckedArchive
from eventlog.archive.files import ArchiveError
from eventlog.rebuild.rebuild import RebuildUnderWayError
from eventlog.rebuild.verify import Checked, Difference
from projections.folder import FoldError

T = TypeVar("T")

SHOWN_CHARACTERS, SHOWN_EVENTS = 120, 8
"""Of a value and of a row's history on the terminal; `--json` has all."""


def finish(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, or until SIGINT or SIGTERM."""
    stopped_by = 0

    async def watched() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: int) -> None:
            nonlocal stopped_by
            stopped_by = number
            if task is not None:
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        return await main

    try:
        # A tenth less work than asyncio's.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop_runner:
            return loop_runner.run(watched())
    except asyncio.CancelledError:
        typer.echo(
            "apphub-jobs: stopped; nothing is half done, and the next run begins anew", err=True
        )
        raise typer.Exit(128 + stopped_by) from None
    except (FoldError, RebuildUnderWayError, ArchiveError, SubjectKeysUnavailableError) as error:
        raise failure(error) from None


class View:
    """What is shown: lines on standard output, and a bar on the terminal behind standard error."""

    def __init__(self, bars: Progress, *, json: bool) -> None:
        self._bars = bars
        self._json = json
        self._shown = ""
        self._task: TaskID | None = None

    def progress(self, what: str, done: int, total: int) -> None:
        """Move the bar."""
        self._bars.start()
        if self._task is not None and what != self._shown:
            self._bars.remove_task(self._task)
            self._task = None
        if self._task is None:
            self._shown, self._task = what, self._bars.add_task(what, total=total)
        self._bars.update(self._task, completed=done, total=total)

    def line(self, text: str) -> None:
        """Print a line; the bar makes room for it, and comes back with the next progress."""
        self._bars.stop()
        typer.echo(text)

    def difference(self, difference: Difference) -> None:
        """Print a difference."""
        if self._json:
            return self.line(orjson.dumps(difference.present()).decode())
        self.line(f"{difference.table} {difference.key}: {_KINDS[difference.kind]}")
        for name, (expected, found) in difference.columns.items():
            self.line(f"    {name}: expected {_short(expected)}, found {_short(found)}")
        return self.line(f"    events: {_history(difference.events)}")

    def checked(self, checked: Checked) -> None:
        """Print what came out for a table."""
        if self._json:
            return self.line(orjson.dumps({**vars(checked), "kind": "table"}).decode())
        outcome = f"{checked.differences} DIFFER" if checked.differences else "equal to the log"
        of = f"{checked.rows} rows of {checked.events} events up to position {checked.position}"
        self.line(f"{checked.table}: {of}: {outcome}")
        if checked.differences:
            self.line(f"    to mend them: apphub-jobs projections rebuild {checked.table}")
        return None

    def archive(self, checked: CheckedArchive) -> None:
        """Print what came out for an archive."""
        if self._json:
            return self.line(orjson.dumps(checked.present()).decode())
        of = f"{checked.events} events of {checked.runs} runs"
        return self.line(checked.problem or f"archive {checked.file}: {of}: as it was written")

    def fact(self, document: JsonObject, text: str) -> None:
        """Print something for programs, or the same for people."""
        self.line(orjson.dumps(document).decode() if self._json else text)


_KINDS = {"missing": "is missing", "extra": "should not be there", "differs": "differs"}


@contextmanager
def shown(*, json: bool) -> Iterator[View]:
    """Give a view, and take its bar away in the end."""
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
    return f"'{value}'" if len(value) <= SHOWN_CHARACTERS else f"'{value[:SHOWN_CHARACTERS]}…'"


def _history(events: Sequence[tuple[int, str]]) -> str:
    named = [f"{position} {topic}" for position, topic in events]
    if len(named) > SHOWN_EVENTS:
        named = [named[0], f"… {len(named) - SHOWN_EVENTS + 1} more …", *named[2 - SHOWN_EVENTS :]]
    return ", ".join(named) or "none"
