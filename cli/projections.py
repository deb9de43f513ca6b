"""`verify`, `projections rebuild` and `migrate`: compare tables with the log, and repair them."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

import orjson
import typer

from cli.database import database
from cli.log_access import Roots, open_log, open_log_with_keys
from cli.options import DatabaseOptions, KeyedLogOptions, LogOptions, SubjectKey, command
from cli.reports import View, describe_seals, finish, open_view
from cli.seal import TrustOptions, report_of
from eventlog.archive.reading import check_archives
from eventlog.database.connection import Database
from eventlog.rebuild.histories import check_histories
from eventlog.rebuild.rebuild import RebuildResult, rebuild
from eventlog.rebuild.statistics import rebuild_statistics, verify_statistics
from eventlog.rebuild.verify import verify
from eventlog.seal.report import Report
from migrations import runner
from projections import run_statistics
from projections.histories.rules import Finding
from projections.table import Table
from projections.tables import TABLES
from runtime.text import pluralize

operators_app = typer.Typer()
projections = typer.Typer(
    help="Rebuild tables from the log, while the service runs.", no_args_is_help=True
)
operators_app.add_typer(projections, name="projections")


@dataclass(frozen=True)
class HistoryOptions:
    """Whether to check histories, and which ids must be in the log."""

    histories: Annotated[
        bool,
        typer.Option(
            "--histories",
            help="Instead of the tables, check each run's guarantees at every position.",
        ),
    ] = False
    acked: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="With --histories: ids of runs or events, one a line, that must be in the log.",
        ),
    ] = None


@command(operators_app, "verify", reads_database=True)
def verify_command(  # noqa: PLR0913 - one for each option
    *,
    tables: Annotated[
        list[str] | None, typer.Argument(help="Only these tables.", metavar="[TABLE]...")
    ] = None,
    log: LogOptions,
    json: Annotated[
        bool, typer.Option("--json", help="JSON Lines: each difference, then each table.")
    ] = False,
    seal: Annotated[
        bool, typer.Option("--seal", help="Compare the log with its seals as well.")
    ] = False,
    root: Roots = None,
    trust: TrustOptions,
    subject_key: SubjectKey = None,
    histories: HistoryOptions,
) -> None:
    """Recompute the tables from the log and compare them row by row; exit with 1 if any differs."""
    selected = _select_tables(tables or ())
    if tables and histories.histories:
        raise typer.BadParameter("--histories checks the log, not tables: name none")
    if histories.acked and not histories.histories:
        raise typer.BadParameter("--acked is for --histories")
    acknowledged = _ids_in(histories.acked)
    with open_log(log) as database, open_view(json=json) as view:
        if not finish(check_archive_files(database, view)):
            # A part of the log is missing, so nothing else can be checked.
            raise typer.Exit(1)
    is_clean = True
    # Before the tables: an event that was made unreadable ends the fold, and this check names it.
    if seal or root:
        report = report_of(log, trust, root or ())
        _print_report(report, json=json)
        is_clean = report.clean
    if histories.histories:
        with open_log(log) as database, open_view(json=json) as view:
            is_clean &= check_log_histories(database, acknowledged, view)
    else:
        keyed_log = KeyedLogOptions(**vars(log), subject_key=subject_key)
        is_clean &= _check_tables(keyed_log, selected, json=json)
    if not is_clean:
        raise typer.Exit(1)


def check_log_histories(database: Database, acknowledged: Sequence[UUID], view: View) -> bool:
    """Check all histories, and print the findings; return whether there are none."""

    def report(finding: Finding) -> None:
        kind = "note" if finding.is_note else "history"
        view.fact({"kind": kind, **finding.present()}, _sentence(finding))

    checked = finish(check_histories(database, acknowledged, report, view.progress))
    outcome = pluralize(checked.findings, "FINDING").upper() if checked.findings else "as promised"
    events = f"{pluralize(checked.events, 'event')} of {pluralize(checked.runs, 'run')}"
    text = f"histories: {events} up to position {checked.position}: {outcome}"
    view.fact({**vars(checked), "kind": "histories"}, text)
    return checked.findings == 0


def _sentence(finding: Finding) -> str:
    position = "not in the log" if finding.position is None else f"position {finding.position}"
    event = f"{finding.topic} of {finding.aggregate_id}".removeprefix(" of ")
    broken = f"{finding.rule}: expected {finding.expected}"
    if finding.is_note:
        broken = f"note: {broken}"
    return f"{position}: {event}: {broken}"


def _ids_in(file: Path | None) -> list[UUID]:
    """Return the ids in a file, one per line.

    Raises:
        typer.BadParameter: a line is not an id.
    """
    if file is None:
        return []
    ids: list[UUID] = []
    lines = file.read_text(errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        try:
            id_ = UUID(text)
        except ValueError:
            message = f"{file}, line {number}: {text[:40]!r} is no id"
            raise typer.BadParameter(message) from None
        ids.append(id_)
    return ids


async def check_archive_files(database: Database, view: View) -> bool:
    """Check all archive files, and print the results; return whether all are as written."""
    is_sound = True
    async with aclosing(check_archives(database)) as archives:
        async for archive in archives:
            view.archive(archive)
            if archive.problem is not None:
                is_sound = False
    return is_sound


def _print_report(report: Report, *, json: bool) -> None:
    if json:
        typer.echo(orjson.dumps({**report.present(), "kind": "seal"}))
    else:
        typer.echo(describe_seals(report))


def _check_tables(options: KeyedLogOptions, selected: "_Selection", *, json: bool) -> bool:
    """Compare the tables with the log, and print the results; return whether all are equal."""
    with open_log_with_keys(options) as database, open_view(json=json) as view:
        is_clean = True
        checks = finish(verify(database, selected.tables, view.difference, view.progress))
        if selected.statistics:
            checks.append(finish(verify_statistics(database, view.difference)))
        for checked in checks:
            view.checked(checked)
            is_clean &= checked.is_equal
    return is_clean


@command(
    projections,
    "rebuild",
    "Make tables equal to the log, while the service works; exit with 1 if that did not succeed.",
    reads_database=True,
)
def rebuild_command(
    *,
    name: Annotated[str | None, typer.Argument(help="The table; all of them if left out.")] = None,
    log: KeyedLogOptions,
) -> None:
    """Make tables equal to the log."""
    selected = _select_tables([name] if name else [])
    differences = 0
    with open_log_with_keys(log) as database, open_view(json=False) as view:
        for table in selected.tables:
            rebuilt = finish(rebuild(database, table, view.difference, view.progress))
            differences += _print_rebuilt(rebuilt, view)
        # Last: they are counted from the runs' rows.
        if selected.statistics:
            rebuilt = finish(rebuild_statistics(database, view.difference))
            differences += _print_rebuilt(rebuilt, view)
    if differences:
        raise typer.Exit(1)


def _print_rebuilt(rebuilt: RebuildResult, view: View) -> int:
    """Print the result for a table, and return how many rows still differ."""
    text = f"{rebuilt.comparison.table}: {pluralize(rebuilt.repaired, 'row')} repaired"
    if rebuilt.repaired:
        text += f", longest hold of the append lock {rebuilt.longest_hold_ms:.1f} ms"
    view.line(text)
    for example in rebuilt.examples:
        view.line(f"  {example}")
    view.checked(rebuilt.comparison)
    return rebuilt.comparison.differences


@dataclass(frozen=True)
class _Selection:
    """The tables that a command is about, and whether the statistics are among them."""

    tables: Sequence[Table]
    statistics: bool


def _select_tables(names: Sequence[str]) -> _Selection:
    """Return the tables of these names; without names all tables.

    Raises:
        typer.BadParameter: there is no such table.
    """
    if not names:
        return _Selection(list(TABLES), statistics=True)
    by_name = {table.name: table for table in TABLES}
    all_names = [*by_name, run_statistics.TABLE]
    unknown = [name for name in names if name not in all_names]
    if unknown:
        raise typer.BadParameter(
            f"no such table: {', '.join(unknown)}; there are {', '.join(all_names)}"
        )
    tables = [by_name[name] for name in names if name in by_name]
    return _Selection(tables, statistics=run_statistics.TABLE in names)


@command(operators_app, reads_database=True)
def migrate(
    *,
    options: DatabaseOptions,
    to: Annotated[
        str, typer.Option(help="Version to go to; `base` removes everything, the log included.")
    ] = "head",
) -> None:
    """Bring the database's schema up to date, or down."""
    with database(options, upgrade=False) as (_, url):
        before = runner.current(url)
        target = runner.HEAD if to == "head" else to
        if target != "base" and (before or "") <= target:
            runner.upgrade(url, target)
        else:
            runner.downgrade(url, target)
        after = runner.current(url)
        typer.echo(f"schema: {before or 'empty'} -> {after or 'empty'}")
