"""Records a log, or what follows from the recorded ones.

    python -m tests.recorded_logs.record log 0.2.0 [--database-url URL]
    python -m tests.recorded_logs.record rows

The first writes a new recording: of the database, or, without one, of a log with every kind of
event. The second folds all recorded logs with today's code and writes the rows that came of it, as
expected from now on: allowed for tables whose `Table.version` was raised.
"""

import argparse
import asyncio
from pathlib import Path

from eventlog.database.connection import Database
from eventlog.rebuild.rebuild import rebuild
from projections.tables import TABLES
from tests.recorded_logs import files, scenario
from tests.support import databases


async def record_log(url: str, version: str) -> None:
    """Record the database's log and tables under a version."""
    recording = files.HERE / version
    recording.mkdir()
    files.write_lines(recording / "events.jsonl", files.events_in(url))
    files.write_rows(recording, await files.rows_in(url))


async def record_rows(url: str, recording: Path) -> None:
    """Fold the recorded log and note its rows.

    Raises:
        SystemExit: they are others than before, though the table's version is the same.
    """
    await fold(url, recording)
    rows = await files.rows_in(url)
    before = files.recorded_rows(recording)
    for table in TABLES:
        if (
            rows[table.name] != before[table.name]
            and files.recorded_version(recording, table) == table.version
        ):
            changed = f"{recording.name}: the fold of {table.name} has changed"
            raise SystemExit(f"{changed}, so raise its Table.version first")
    files.write_rows(recording, rows)


async def fold(url: str, recording: Path) -> int:
    """Restore a recorded log into a migrated, empty database, and build its tables.

    Return how many rows there are.
    """
    files.load(url, recording)
    rebuilt = [await rebuild(Database(url), table, _fail, lambda *_: None) for table in TABLES]
    return sum(one.repaired for one in rebuilt)


def _fail(difference: object) -> None:
    raise AssertionError(difference)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    log = commands.add_parser("log")
    log.add_argument("version")
    log.add_argument("--database-url")
    commands.add_parser("rows")
    arguments = parser.parse_args()
    if arguments.command == "rows":
        for recording in files.recordings():
            with databases.scratch() as url:
                asyncio.run(record_rows(url, recording))
    elif arguments.database_url:
        asyncio.run(record_log(arguments.database_url, arguments.version))
    else:
        with databases.scratch() as url:
            asyncio.run(scenario.play(url))
            asyncio.run(record_log(url, arguments.version))


if __name__ == "__main__":
    main()
