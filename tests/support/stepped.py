"""A database whose clock tests set, as an operator or a new host would: nobody is notified."""

from datetime import timedelta

import psycopg

from eventlog.database.clock import SCHEMA, shiftable

_RECORDED = """
    ALTER TABLE jobs_events ALTER COLUMN recorded_at SET DEFAULT testing.clock_timestamp()
"""


class SteppedClock:
    """The clock of a database; it shows the time until it is set."""

    def __init__(self, url: str) -> None:
        """Take the clock of a migrated database over, before anybody uses that by `self.url`."""
        self.url = shiftable(url)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(SCHEMA)
            connection.execute(_RECORDED)

    def set(self, ahead: timedelta) -> None:
        """Let it be ahead of the time by so much, or behind it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("UPDATE testing.clock SET ahead = %s", [ahead])
