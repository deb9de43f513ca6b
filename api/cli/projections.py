"""Commands of operators: is every table what the log says, and make it so."""

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated
from uuid import UUID

import orjson
import typer

from api.cli.opening import operated, operated_with_keys
from api.cli.options import Archive, DatabaseUrl, DataDir, SubjectKey
from api.cli.seal import PublicKey, Roots, SealKey, report_of, told
from api.cli.terminal import View, finish, shown
from eventlog.archive.check import check_archives
from eventlog.database.connection import Database
from eventlog.rebuild.histories import check_histories
from eventlog.rebuild.rebuild import Rebuilt, rebuild
from eventlog.rebuild.verify import verify
from projections.histories.event import Finding
from projections.table import Table
from projections.tables import TABLES

operators = typer.Typer()
projections = typer.Typer(help="The tables that follow from the log.", no_args_is_help=True)
operators.add_typer(projections, name="projections")


@operators.command("verify")
def verify_command(  # noqa: PLR0913 - one for each option
    tables: Annotated[
        list[str] | None, typer.Argument(help="Only these tables.", metavar="[TABLE]...")
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="JSON Lines: each difference, then each table.")
    ] = False,
    seal: Annotated[
        bool, typer.Option("--seal", help="Compare the log with its seals as well.")
    ] = False,
    root: Roots = None,
    seal_key: SealKey = None,
    public_key: PublicKey = None,
    subject_key: SubjectKey = None,
    histories: Annotated[
        bool,
        typer.Option(
            "--histories",
            help="Instead of the tables, check at every position what each run was promised.",
        ),
    ] = False,
    acked: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="With --histories: ids of runs or events, one a line, that must be in the log.",
        ),
    ] = None,
) -> None:
    """Recompute the tables from the log and compare them row by row; exit with 1 if any differs."""
    chosen, wrong = _tables(tables or ()), False
    if tables and histories:
        raise typer.BadParameter("--histories looks at the log, not at tables: name none")
    if acked and not histories:
        raise typer.BadParameter("--acked is for --histories")
    promised = _ids_in(acked)
    with operated(data_dir, database_url, archive) as opened, shown(json=json) as view:
        if not finish(_archives_are_sound(opened, view)):
            raise typer.Exit(1)  # Nothing else can be said: what is missing is a part of the log.
    # Before the tables: an event that somebody made unreadable ends the fold, and this names it.
    if seal or root:
        report = report_of(data_dir, database_url, archive, seal_key, public_key, root)
        typer.echo(orjson.dumps({**report.present(), "kind": "seal"}) if json else told(report))
        wrong = not report.clean
    if histories:
        with operated(data_dir, database_url, archive) as opened, shown(json=json) as view:
            clean = _histories_are_clean(opened, promised, view)
        raise typer.Exit(int(wrong or not clean))
    with (
        operated_with_keys(data_dir, database_url, archive, subject_key) as opened,
        shown(json=json) as view,
    ):
        checked = finish(verify(opened, chosen, view.difference, view.progress))
        for one in checked:
            view.checked(one)
    wrong = wrong or any(one.differences for one in checked)
    raise typer.Exit(int(wrong))


def _histories_are_clean(opened: Database, promised: Sequence[UUID], view: View) -> bool:
    def show(finding: Finding) -> None:
        place = "nowhere" if finding.position is None else f"position {finding.position}"
        what = f"{finding.topic} of {finding.aggregate_id}".removeprefix(" of ")
        line = f"{place}: {what}: {finding.rule}: expected {finding.expected}"
        view.fact({"kind": "history", **finding.present()}, line)

    checked = finish(check_histories(opened, promised, show, view.progress))
    of = f"{checked.events} events of {checked.runs} runs up to position {checked.position}"
    outcome = f"{checked.findings} FINDINGS" if checked.findings else "as promised"
    view.fact({**vars(checked), "kind": "histories"}, f"histories: {of}: {outcome}")
    return not checked.findings


def _ids_in(file: Path | None) -> list[UUID]:
    """Return the ids in the file, one a line; anything else in it is wrong usage."""
    if file is None:
        return []
    ids = []
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
        text = line.strip()
        try:
            if text:
                ids.append(UUID(text))
        except ValueError:
            raise typer.BadParameter(f"{file}, line {number}: {text[:40]!r} is no id") from None
    return ids


async def _archives_are_sound(opened: Database, view: View) -> bool:
    sound = True
    async with aclosing(check_archives(opened)) as archives:
        async for one in archives:
            view.archive(one)
            sound = sound and one.problem is None
    return sound


@projections.command("rebuild")
def rebuild_command(
    name: Annotated[str | None, typer.Argument(help="The table; all of them if left out.")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    subject_key: SubjectKey = None,
) -> None:
    """Make tables equal to the log, while the service works; exit with 1 if that did not succeed."""
    chosen = _tables([name] if name else ())
    with (
        operated_with_keys(data_dir, database_url, archive, subject_key) as opened,
        shown(json=False) as view,
    ):
        rebuilt = [_rebuild(opened, table, view) for table in chosen]
    raise typer.Exit(int(any(one.checked.differences for one in rebuilt)))


def _rebuild(opened: Database, table: Table, view: View) -> Rebuilt:
    rebuilt = finish(rebuild(opened, table, view.difference, view.progress))
    hold = (
        f", longest hold of the append lock {rebuilt.longest_hold_ms:.1f} ms"
        if rebuilt.mended
        else ""
    )
    view.line(f"{table.name}: {rebuilt.mended} rows mended{hold}")
    view.checked(rebuilt.checked)
    return rebuilt


def _tables(names: Sequence[str]) -> list[Table]:
    known = {table.name: table for table in TABLES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise typer.BadParameter(
            f"no such table: {', '.join(unknown)}; there are {', '.join(known)}"
        )
    return [known[name] for name in names] or list(TABLES)
