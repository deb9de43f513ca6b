"""What a run's last events tell, beside its row, of how it ended or was asked to."""

from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import Json
from eventlog.keys.log_files import LogFiles
from eventlog.personal.reading import envelopes
from eventlog.recall.pages import read_part
from projections import job_definitions
from projections.envelope import Envelope
from projections.job_runs import RunRow
from projections.rows import Connection, read_first
from projections.runs.explain.ended import NO_EVIDENCE, Evidence
from projections.table import rows_by_id

TAIL = 100
"""Events of a run that are looked at, the last ones."""

_PROGRESSED = "job_run.progressed"
_ASKED = "job_run.cancel_requested"
_LOST = "job_run.attempt_lost"

_LAST_BEAT = "SELECT beat_at FROM workers WHERE id = %(id)s AND dead_at IS NOT NULL"


class _Beat(TypedDict):
    beat_at: ReadOnly[str]


async def evidence_of(connection: Connection, files: LogFiles, run: RunRow) -> Evidence:
    """Return what there is beside a run's row, which may be a past one."""
    is_asked = run["cancel_requested_at"] is not None
    has_failed = run["failure_reason"] is not None
    if not is_asked and not has_failed:
        return NO_EVIDENCE
    last: Envelope | None = None
    asked: Envelope | None = None
    for event in await _tail(connection, files, run):
        if event.unreadable is not None or event.topic == _PROGRESSED:
            continue
        if event.topic == _ASKED:
            asked = event
        else:
            last = event
    return Evidence(
        last=last,
        asked=asked,
        last_beat_at=await _last_beat(connection, last),
        memory_mb=await _memory_mb(connection, run),
    )


async def _tail(connection: Connection, files: LogFiles, run: RunRow) -> list[Envelope]:
    """Return the last events that made the row."""
    run_id = UUID(run["id"])
    until = run["aggregate_version"]
    begin = until - TAIL
    after: int | None = max(begin, 0)
    found: list[Envelope] = []
    while after is not None and after < until:
        part = await read_part(
            connection,
            files,
            run_id,
            after,
            limit=until - after,
        )
        found += await envelopes(connection, files.master_keys, part.rows)
        after = part.next
    return found


async def _last_beat(connection: Connection, last: Envelope | None) -> str | None:
    """Return when the worker that was lost had proved that it lives, if it is known."""
    if last is None or last.topic != _LOST:
        return None
    values = {"id": last.data["worker_id"]}
    row = await read_first(connection, _Beat, _LAST_BEAT, values)
    if row is None:
        return None
    return row["beat_at"]


async def _memory_mb(connection: Connection, run: RunRow) -> Json:
    """Return the memory limit of the run's version of its job, if that is the present one."""
    job_id = UUID(run["job_definition_id"])
    jobs = await rows_by_id(connection, job_definitions.TABLE, [job_id])
    job = jobs.get(job_id)
    if job is None or job["version"] != run["definition_version"]:
        return None
    resources = job["resources"] or {}
    return resources.get("memoryMb")
