"""Commands of operators: is every table what the log says, and make it so."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from api.cli_options import DatabaseUrl, DataDir, SubjectKey, database, failure, keyed
from api.seal_cli import PublicKey, Roots, SealKey, report_of, told
from domain.errors import SubjectKeysUnavailableError
from eventlog.connection import Database
from eventlog.fold import FoldError
from eventlog.rebuild import RebuildUnderWayError, Rebuilt, rebuild
from eventlog.verify import Checked, Difference, verify
from migrations import runner
from projections.table import Table
from projections.tables import TABLES

T = TypeVar("T")

SHOWN_CHARACTERS, SHOWN_EVENTS = 120, 8
"""Of a value and of a row's history on the terminal; `--json` has all."""

operators = typer.Typer()
projections = typer.Typer(help="The tables that follow from the log.", no_args_is_help=True)
operators.add_typer(projections, name="projections")


@operators.command("verify")
def verify_command(  # noqa: PLR0913 - one for each option
    tables: Annotated[list[str] | None, typer.Argument(help="Only these tables.", metavar="[TABLE]...")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="JSON Lines: each difference, then each table.")] = False,
    seal: Annotated[bool, typer.Option("--seal", help="Compare the log with its seals as well.")] = False,
    root: Roots = None,
    seal_key: SealKey = None,
    public_key: PublicKey = None,
    subject_key: SubjectKey = None,
) -> None:
    """Recompute the tables from the log and compare them row by row; exit with 1 if anything differs."""
    chosen, wrong = _tables(tables or ()), False
    if seal or root:  # First: an event that somebody made unreadable ends the fold, and this names it.
        report = report_of(data_dir, database_url, seal_key, public_key, root)
        typer.echo(orjson.dumps({**report.present(), "kind": "seal"}) if json else told(report))
        wrong = not report.clean
    with _database(data_dir, database_url, subject_key) as opened, _view(json=json) as view:
        checked = _finish(verify(opened, chosen, view.difference, view.progress))
        for one in checked:
            view.checked(one)
    wrong = wrong or any(one.differences for one in checked)
    raise typer.Exit(int(wrong))


@projections.command("rebuild")
def rebuild_command(
    name: Annotated[str | None, typer.Argument(help="The table; all of them if left out.")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    subject_key: SubjectKey = None,
) -> None:
    """Make tables equal to the log, while the service works; exit with 1 if that did not succeed."""
    chosen = _tables([name] if name else ())
    with _database(data_dir, database_url, subject_key) as opened, _view(json=False) as view:
        rebuilt = [_rebuild(opened, table, view) for table in chosen]
    raise typer.Exit(int(any(one.checked.differences for one in rebuilt)))


def _rebuild(opened: Database, table: Table, view: "_View") -> Rebuilt:
    rebuilt = _finish(rebuild(opened, table, view.difference, view.progress))
    hold = f", longest hold of the append lock {rebuilt.longest_hold_ms:.1f} ms" if rebuilt.mended else ""
    view.line(f"{table.name}: {rebuilt.mended} rows mended{hold}")
    view.checked(rebuilt.checked)
    return rebuilt


def _tables(names: Sequence[str]) -> list[Table]:
    known = {table.name: table for table in TABLES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise typer.BadParameter(f"no such table: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(TABLES)


@contextmanager
def _database(data_dir: Path | None, url: str | None, subject_key: Path | None) -> Iterator[Database]:
    """Open the database, unless its schema is not this version's: to migrate is for the service, or for `migrate`."""
    with database(data_dir, url, upgrade=False) as (directory, opened_url):
        found = runner.current(opened_url)
        if found != runner.HEAD:
            msg = f"the database's schema is {found or 'empty'}, not {runner.HEAD}; run: apphub-jobs migrate"
            raise runner.SchemaError(msg)
        yield keyed(directory, opened_url, subject_key)


def _finish(main: Coroutine[Any, Any, T]) -> T:
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
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop_runner:  # A tenth less work than asyncio's.
            return loop_runner.run(watched())
    except asyncio.CancelledError:
        typer.echo("apphub-jobs: stopped; nothing is half done, and the next run begins anew", err=True)
        raise typer.Exit(128 + stopped_by) from None
    except (FoldError, RebuildUnderWayError, SubjectKeysUnavailableError) as error:
        raise failure(error) from None


class _View:
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


_KINDS = {"missing": "is missing", "extra": "should not be there", "differs": "differs"}


@contextmanager
def _view(*, json: bool) -> Iterator[_View]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars = Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    try:
        yield _View(bars, json=json)
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
