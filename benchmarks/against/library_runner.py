"""The library's own way to fill a table from its log: its runner feeds a projection.

Each event has a transaction to itself.
"""

from itertools import islice
from time import sleep
from typing import Any

from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL

from benchmarks.against.library_saves import Plain, plain, runs
from benchmarks.harness.results import Bench

EVENTS_A_SECOND = 2_500
"""More than it takes."""

_CREATE = "CREATE TABLE IF NOT EXISTS seen_runs (id uuid PRIMARY KEY, slug text, version bigint)"

_UPSERT = """
    INSERT INTO seen_runs VALUES (%s, %s, %s)
    ON CONFLICT (id) DO UPDATE SET slug = excluded.slug, version = excluded.version
"""


class View(PostgresTrackingRecorder):
    """A table that keeps, in the same transaction as each change, how far it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sql_create_statements.append(SQL(_CREATE).format())

    def put(self, event: Any, tracking: Tracking) -> None:
        """Write a row and the position."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(_UPSERT, (event.originator_id, event.slug, event.originator_version))
            self._insert_tracking(cursor, tracking)


class SeenRuns(Projection[View]):
    """The projection."""

    name = "seen"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Write each event's row."""
        self.view.put(domain_event, tracking)


def runner_rate(bench: Bench) -> float:
    """Return how many events a second the runner takes, on a short sample."""
    events = max(100, round(EVENTS_A_SECOND * bench.effort.seconds))
    with plain(bench) as application:
        source = runs()
        for _ in range(0, events, 500):
            application.save(*islice(source, 500))
        env = {**application.env, "IS_DAEMON": ""}
        with ProjectionRunner(
            application_class=Plain, projection_class=SeenRuns, view_class=View, env=env
        ) as runner:
            view: View = runner.projection.view
            begun = 0
            while not begun:
                sleep(0.01)
                begun = view.max_tracking_id(Plain.name) or 0
            runner.run_forever(timeout=bench.effort.seconds)
            ended = view.max_tracking_id(Plain.name) or 0
            return (ended - begun) / bench.effort.seconds
