"""Checks the whole log, with archived events, against the rules of `projections.histories`.

It is read in ranges, each by a short statement: a busy service continues to write, and no snapshot
is held for longer than a range takes. Events that are appended meanwhile are left out.
"""

from bisect import bisect_right
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import UUID

import orjson

from domain.json_values import JsonObject
from eventlog.archive.reading import events_between
from eventlog.database import sql
from eventlog.database.connection import Database, Progress, operator_session
from eventlog.encoding import COLUMNS, FIRST, RawRow, position_of, raw_cursor, to_raw_row
from projections.envelope import UNFOLDABLE, decode_state
from projections.histories.checker import SUBJECTS, Checker
from projections.histories.rules import MAX_OPEN, Finding, LoggedEvent, Report
from projections.rows import Connection, read_value

EVENTS_A_RANGE = 4_000
BYTES_A_RANGE = 4_194_304
"""A range ends at the first of the two limits; the second bounds memory, since an event may have a
megabyte."""


def _next_range(columns: str) -> str:
    return f"""
        SELECT {COLUMNS} FROM (
            SELECT *,
                sum(octet_length(state)) OVER (ORDER BY notification_id) - octet_length(state)
                    AS bytes_before
            FROM (
                SELECT {columns} FROM {sql.EVENTS_TABLE}
                WHERE notification_id > %(after)s AND notification_id <= %(until)s
                ORDER BY notification_id LIMIT {EVENTS_A_RANGE}
            ) AS next
        ) AS measured
        WHERE bytes_before < {BYTES_A_RANGE} ORDER BY notification_id
    """


NEXT_RANGE = _next_range(COLUMNS)

NEXT_STATELESS_RANGE = _next_range(COLUMNS.replace("state", "''::bytea AS state"))
"""The same without states, to look up events by aggregate and version."""

_Columns = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes | None, bytes | None, bytes | None]


@dataclass(frozen=True)
class HistoryCheck:
    """The result of a check.

    Attributes:
        position: the log's last position when the check began.
        events: number of events up to there, archived ones included.
        runs: number of runs that these events request.
        findings: number of broken rules.
    """

    position: int
    events: int
    runs: int
    findings: int


async def check_histories(
    database: Database, acknowledged: Collection[UUID], report: Report, progress: Progress
) -> HistoryCheck:
    """Check every event of the log, and report each finding.

    Args:
        database: the log.
        acknowledged: ids of runs and events that clients have got, and that must be in the log.
        report: called with each finding at once.
        progress: called with the position that was checked, and the last one.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    findings = 0

    def count(finding: Finding) -> None:
        nonlocal findings
        findings += not finding.is_note
        report(finding)

    checker = Checker(count, acknowledged)
    archive = database.files.archive
    async with operator_session(database) as log:
        await log.execute("SET client_encoding = 'UTF8'")
        until = await read_value(log, int, sql.HEAD)
        async with aclosing(_ranges(log, archive, until, NEXT_RANGE)) as ranges:
            async for rows in ranges:
                for row in rows:
                    checker.feed(to_logged_event(row))
                progress("histories: checking", position_of(rows[-1]), until)
                if len(checker.causes) > MAX_OPEN:
                    await _search_causes(log, archive, checker, until)
        await _search_causes(log, archive, checker, until)
    checker.end()
    return HistoryCheck(until, checker.events, checker.runs, findings)


def to_logged_event(row: RawRow) -> LoggedEvent:
    """Return a stored event for the checker; data that cannot be read are empty."""
    columns = cast("_Columns", row)
    (position, aggregate_id, version, topic_bytes, state, recorded, _, _, causation_id) = columns
    topic = topic_bytes.decode()
    data: JsonObject = {}
    if topic.startswith(SUBJECTS):
        data = _read_data(topic, state)
    return LoggedEvent(
        position=_number(position),
        aggregate_id=aggregate_id,
        version=_number(version),
        topic=topic,
        recorded_us=_number(recorded),
        causation_id=causation_id,
        data=data,
    )


def _read_data(topic: str, state: bytes) -> JsonObject:
    try:
        data = orjson.loads(state)
        if "class_version" in data:
            data = decode_state(topic, state)
    except UNFOLDABLE:
        return {}
    if isinstance(data, dict):
        return data
    return {}


async def _search_causes(
    log: Connection, archive: Path | None, checker: Checker, until: int
) -> None:
    """Search the whole log up to a position for missing causes; report those that it lacks."""
    causes = checker.causes
    if not causes:
        return
    async with aclosing(_ranges(log, archive, until, NEXT_STATELESS_RANGE)) as ranges:
        async for rows in ranges:
            for row in rows:
                _, aggregate_id, version, *_ = cast("_Columns", row)
                causes.find(position_of(row), aggregate_id, _number(version))
            if not causes:
                break
    checker.report_missing_causes()


async def _ranges(
    connection: Connection, archive: Path | None, until: int, query: str
) -> AsyncGenerator[list[RawRow]]:
    """Yield the events up to a position in their order, some at a time. Use it in `aclosing`."""
    after = FIRST
    while after < until:
        cursor = raw_cursor(connection)
        await cursor.execute(query, {"after": after, "until": until}, binary=True)
        stored = await cursor.fetchall()
        last = position_of(stored[-1]) if stored else until
        # The log before the archives: an event that is archived meanwhile is in both, never in
        # neither.
        async with aclosing(events_between(connection, archive, after, last)) as chunks:
            async for chunk in chunks:
                archived = [to_raw_row(document) for document in chunk]
                split = bisect_right(stored, position_of(archived[-1]), key=position_of)
                yield _merge(stored[:split], archived)
                stored = stored[split:]
        if stored:
            yield stored
        after = last


def _merge(stored: list[RawRow], archived: list[RawRow]) -> list[RawRow]:
    by_position = {position_of(row): row for row in (*archived, *stored)}
    return [by_position[position] for position in sorted(by_position)]


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big", signed=True)
