"""What is counted while a service is under load."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psycopg

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

_COUNTERS = """
    SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint,
        xact_commit,
        (SELECT sum(n_dead_tup)::bigint FROM pg_stat_user_tables WHERE relname = 'job_runs'),
        (SELECT coalesce(max(notification_id), 0) FROM jobs_events)
    FROM pg_stat_database WHERE datname = current_database()
"""

_ENDED = """
    SELECT count(*) FILTER (WHERE topic = 'job_run.succeeded'), max(notification_id)
    FROM jobs_events WHERE notification_id > %s
"""
"""Counted by position: to count rows by status would be a disturbance of its own."""


@dataclass(frozen=True)
class Counters:
    """What the server and the processes have counted until now.

    Attributes:
        dead_rows: of `job_runs`, by the server's estimate.
        processor_s: of all its processes.
    """

    at: float
    wal_bytes: int
    commits: int
    dead_rows: int
    head: int
    processor_s: float


def counters(connection: psycopg.Connection, server_pid: int) -> Counters:
    """Read them."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(_COUNTERS).fetchone()
    assert row is not None
    wal_bytes, commits, dead_rows, head = row
    pids = [server_pid, *children_of(server_pid)]
    used_s = processor_s(pids)
    return Counters(perf_counter(), wal_bytes, commits, dead_rows or 0, head, used_s)


def server_pid(connection: psycopg.Connection) -> int:
    """Return the process that has started this session's, on this machine; 0 if it is elsewhere."""
    backend = connection.info.backend_pid
    try:
        told = Path(f"/proc/{backend}/stat").read_text()
    except OSError:
        return 0
    _, _, after_name = told.rpartition(")")
    return int(after_name.split()[1])


class Ended:
    """Counts the runs that ended, as the log grows."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._position = 0
        self.runs = 0

    def look(self) -> int:
        """Return how many there are now."""
        row = self._connection.execute(_ENDED, (self._position,)).fetchone()
        assert row is not None
        more, position = row
        if position is not None:
            self._position = position
        self.runs += more
        return self.runs


def children_of(pid: int) -> list[int]:
    """Return the processes that this one has started and that still are."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in listed.split()]


def processor_s(pids: Iterable[int]) -> float:
    """Return how much processor time these processes have used, with ended children of theirs."""
    ticks = 0
    for pid in pids:
        try:
            told = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        _, _, after_name = told.rpartition(")")
        fields = after_name.split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS_A_SECOND


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of them does not exceed; 0 of none."""
    if not values:
        return 0.0
    in_order = sorted(values)
    place = min(int(len(in_order) * share), len(in_order) - 1)
    return in_order[place]
