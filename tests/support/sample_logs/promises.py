"""Holds a log against all that the state machine promises: what every test may do at its end."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from eventlog.database.connection import Database
from eventlog.keys import LogFiles
from eventlog.rebuild.histories import HistoryCheck, check_histories
from projections.histories.rules import Finding


async def find_broken(
    database: Database, acknowledged: Iterable[UUID] = ()
) -> tuple[list[Finding], HistoryCheck]:
    """Return every broken promise, and what else came out."""
    findings: list[Finding] = []
    promised = list(acknowledged)
    checked = await check_histories(database, promised, findings.append, lambda *_: None)
    assert checked.findings == len([one for one in findings if not one.is_note])
    return findings, checked


async def keep(database: Database, acknowledged: Iterable[UUID] = ()) -> HistoryCheck:
    """Fail where a promise is broken, or the log lacks a run or an event with one of these ids.

    That the clock was set back is only worth knowing.
    """
    findings, checked = await find_broken(database, acknowledged)
    broken = [one for one in findings if not one.is_note]
    assert broken == [], "\n".join(map(str, broken))
    return checked


def kept(url: str, acknowledged: Iterable[str] = (), archive: Path | None = None) -> HistoryCheck:
    """Do the same outside of a loop, for ids as clients get them."""
    database = Database(url, LogFiles(archive))
    return asyncio.run(keep(database, map(UUID, acknowledged)))
