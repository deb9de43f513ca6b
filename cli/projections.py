"""Commands of operators: is every table what the log says, and make it so; migrate."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

import orjson
import typer

from cli.database import database
from cli.log_access import Roots, operated, operated_with_keys
from cli.options import DatabaseOptions, KeyedLogOptions, LogOptions, SubjectKey, command
from cli.reports import View, finish, seals_told, shown
from cli.seal import TrustOptions, report_of
from eventlog.archive.reading import check_archives
from eventlog.database.connection import Database
from eventlog.rebuild.histories import check_histories
from eventlog.rebuild.rebuild import Rebuilt, rebuild
from eventlog.rebuild.verify import verify
from eventlog.seal.check import Report
from migrations import runner
from projections.histories.rules import Finding
from projections.table import Table
from projections.tables import TABLES

operators = typer.Typer()
projections = typer.Typer(help="The tables that follow from the log.", no_args_is_help=True)
operators.add_typer(projections, name="projections")


@dataclass(frozen=True)
class HistoryOptions:
    """Whether histories are checked, and what must be among them."""

    histories: Annotated[
        bool,
        typer.Option(
            "--histories",
            help="Instead of the tables, check at every position what each run was promised.",
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


@command(operators, "verify", reads_database=True)
def verify_command(  # noqa: PLR0913 - its options stand in no other command in this order
    *,
    tables: Annotated[
        list[str] | None, typer.Argument(help="Only these tables.", metavar="[TABLE]...")
    ] = None,
    place: LogOptions,
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
    chosen = _tables(tables or ())
    if tables and histories.histories:
        raise typer.BadParameter("--histories looks at the log, not at tables: name none")
    if histories.acked and not histories.histories:
        raise typer.BadParameter("--acked is for --histories")
    promised = _ids_in(histories.acked)
    if not _archives_are_sound(place, json=json):
        # Nothing else can be said: what is missing is a part of the log.
        raise typer.Exit(1)
    clean = True
    # Before the tables: an event that somebody made unreadable ends the fold, and this names it.
    if seal or root:
        roots = root or ()
        report = report_of(place, trust, roots)
        _print_report(report, json=json)
        clean = report.clean
    if histories.histories:
        clean &= _histories_are_clean(place, promised, json=json)
    else:
        keyed_place = KeyedLogOptions(**vars(place), subject_key=subject_key)
        clean &= _tables_are_clean(keyed_place, chosen, json=json)
    if not clean:
        raise typer.Exit(1)


def _histories_are_clean(place: LogOptions, promised: Sequence[UUID], *, json: bool) -> bool:
    with operated(place) as opened, shown(json=json) as view:

        def show(finding: Finding) -> None:
            kind = "note" if finding.is_note else "history"
            document = {"kind": kind, **finding.present()}
            sentence = _sentence(finding)
            view.fact(document, sentence)

        checking = check_histories(opened, promised, show, view.progress)
        checked = finish(checking)
        outcome = "as promised"
        if checked.findings:
            outcome = f"{checked.findings} FINDINGS"
        events = f"{checked.events} events of {checked.runs} runs"
        of = f"{events} up to position {checked.position}"
        sum_up = {**vars(checked), "kind": "histories"}
        told = f"histories: {of}: {outcome}"
        view.fact(sum_up, told)
    return checked.findings == 0


def _sentence(finding: Finding) -> str:
    place = "nowhere"
    if finding.position is not None:
        place = f"position {finding.position}"
    what = f"{finding.topic} of {finding.aggregate_id}"
    known = what.removeprefix(" of ")
    broken = f"{finding.rule}: expected {finding.expected}"
    if finding.is_note:
        broken = f"worth knowing: {broken}"
    return f"{place}: {known}: {broken}"


def _ids_in(file: Path | None) -> list[UUID]:
    """Return the ids in the file, one a line; anything else in it is wrong usage."""
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
            line_start = text[:40]
            where = f"{file}, line {number}"
            message = f"{where}: {line_start!r} is no id"
            raise typer.BadParameter(message) from None
        ids.append(id_)
    return ids


def _archives_are_sound(place: LogOptions, *, json: bool) -> bool:
    with operated(place) as opened, shown(json=json) as view:
        return finish(_check_archives(opened, view))


async def _check_archives(opened: Database, view: View) -> bool:
    sound = True
    async with aclosing(check_archives(opened)) as archives:
        async for one in archives:
            view.archive(one)
            if one.problem is not None:
                sound = False
    return sound


def _print_report(report: Report, *, json: bool) -> None:
    if json:
        document = {**report.present(), "kind": "seal"}
        typer.echo(orjson.dumps(document))
    else:
        typer.echo(seals_told(report))


def _tables_are_clean(place: KeyedLogOptions, chosen: Sequence[Table], *, json: bool) -> bool:
    with operated_with_keys(place) as opened, shown(json=json) as view:
        verifying = verify(opened, chosen, view.difference, view.progress)
        clean = True
        for checked in finish(verifying):
            view.checked(checked)
            clean &= checked.is_equal
    return clean


@command(
    projections,
    "rebuild",
    "Make tables equal to the log, while the service works; exit with 1 if that did not succeed.",
    reads_database=True,
)
def rebuild_command(
    *,
    name: Annotated[str | None, typer.Argument(help="The table; all of them if left out.")] = None,
    place: KeyedLogOptions,
) -> None:
    """Make tables equal to the log."""
    names: list[str] = []
    if name:
        names.append(name)
    chosen = _tables(names)
    still_different = 0
    with operated_with_keys(place) as opened, shown(json=False) as view:
        for table in chosen:
            rebuilt = _rebuild(opened, table, view)
            still_different += rebuilt.checked.differences
    if still_different:
        raise typer.Exit(1)


def _rebuild(opened: Database, table: Table, view: View) -> Rebuilt:
    rebuilding = rebuild(opened, table, view.difference, view.progress)
    rebuilt = finish(rebuilding)
    text = f"{table.name}: {rebuilt.repaired} rows repaired"
    if rebuilt.repaired:
        hold_ms = rebuilt.longest_hold_ms
        text += f", longest hold of the append lock {hold_ms:.1f} ms"
    view.line(text)
    for example in rebuilt.examples:
        view.line(f"  {example}")
    view.checked(rebuilt.checked)
    return rebuilt


def _tables(names: Sequence[str]) -> list[Table]:
    """Return the tables of these names, all of them if there are none."""
    if not names:
        return list(TABLES)
    known = {table.name: table for table in TABLES}
    unknown = [name for name in names if name not in known]
    if unknown:
        missing = ", ".join(unknown)
        there = ", ".join(known)
        message = f"no such table: {missing}; there are {there}"
        raise typer.BadParameter(message)
    return [known[name] for name in names]


@command(operators, reads_database=True)
def migrate(
    *,
    place: DatabaseOptions,
    to: Annotated[
        str, typer.Option(help="Version to go to; `base` removes everything, the log included.")
    ] = "head",
) -> None:
    """Bring the database's schema up to date, or down."""
    with database(place, upgrade=False) as (_, url):
        before = runner.current(url)
        target = to
        if to == "head":
            target = runner.HEAD
        if target != "base" and (before or "") <= target:
            runner.upgrade(url, target)
        else:
            runner.downgrade(url, target)
        after = runner.current(url)
        told = f"schema: {before or 'empty'} -> {after or 'empty'}"
        typer.echo(told)
