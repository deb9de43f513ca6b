"""The least that any service must do to save a run: insert its event and its row, and commit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import psycopg

from projections.job_runs import TABLE

EVENTS = {
    "originator_id": "uuid",
    "originator_version": "bigint",
    "topic": "text",
    "state": "bytea",
    "actor": "text",
    "correlation_id": "uuid",
    "causation_id": "uuid",
}


@dataclass(frozen=True)
class Written:
    """What a round of ours has written.

    Attributes:
        events: columns of the events of runs, in order of position.
        rows: columns of the rows of the same runs, in the same order, as text.
        batch: runs in a transaction, on average.
    """

    events: Sequence[Sequence[Any]]
    rows: Sequence[Sequence[Any]]
    batch: int


def read_written(url: str) -> Written:
    """Return what stands in a database where runs were launched and nothing else happened."""
    events = (
        f"SELECT {', '.join(EVENTS)} FROM jobs_events"
        " WHERE topic = 'job_run.requested' ORDER BY notification_id"
    )
    texts = ", ".join(f"{name}::text" for name in TABLE.columns)
    rows = f"SELECT {texts} FROM job_runs ORDER BY created_position"
    commits = "SELECT count(DISTINCT xmin::text) FROM jobs_events WHERE topic = 'job_run.requested'"
    with psycopg.connect(url, autocommit=True) as connection:
        logged = connection.execute(events.encode()).fetchall()
        projected = connection.execute(rows.encode()).fetchall()
        counted = connection.execute(commits.encode()).fetchone()
    assert counted is not None
    assert len(logged) == len(projected)
    return Written(_columns(logged), _columns(projected), max(1, round(len(logged) / counted[0])))


def insert_all(url: str, written: Written, seconds: float) -> float:
    """Insert it into an empty database, a batch a transaction, and return the runs a second.

    It takes some seconds at most.
    """
    batches = list(_batches(written))
    events, rows = _insert("jobs_events", EVENTS), _insert(TABLE.name, TABLE.columns)
    inserted = 0
    with psycopg.connect(url, autocommit=True) as connection:
        began = perf_counter()
        for event_columns, row_columns in batches:
            with connection.pipeline(), connection.transaction():
                connection.execute(events, event_columns)
                connection.execute(rows, row_columns)
            inserted += len(event_columns[0])
            if perf_counter() - began > seconds:
                break
        return inserted / (perf_counter() - began)


def _insert(table: str, columns: Mapping[str, str]) -> bytes:
    names = ", ".join(columns)
    arrays = ", ".join(f"%s::{_array_of(kind)}[]" for kind in columns.values())
    casts = ", ".join(f"{name}::{kind}" for name, kind in columns.items())
    new = f"SELECT {casts} FROM unnest({arrays}) AS new ({names})"
    return f"INSERT INTO {table} ({names}) {new}".encode()


def _array_of(kind: str) -> str:
    return "text" if kind == "jsonb" else kind


def _batches(written: Written) -> Iterator[tuple[list[Sequence[Any]], list[Sequence[Any]]]]:
    for start in range(0, len(written.events[0]), written.batch):
        chosen = slice(start, start + written.batch)
        yield (
            [column[chosen] for column in written.events],
            [column[chosen] for column in written.rows],
        )


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
