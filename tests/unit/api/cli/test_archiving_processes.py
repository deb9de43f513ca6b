"""Which processes archive what jobs keep no longer."""

from pathlib import Path

import pytest

from cli.log_access import archiving
from cli.options import LogOptions
from eventlog.archive.retention import Archiving

URL = "postgresql://somewhere/jobs"
NAMED = Path("/mnt/archive")

PLACES: list[tuple[LogOptions, Archiving | None]] = [
    (LogOptions(), Archiving(make_role=True)),
    (LogOptions(archive=NAMED), Archiving(make_role=True)),
    (LogOptions(database_url=URL, archive=NAMED), Archiving(make_role=False)),
    (LogOptions(database_url=URL), None),
]


@pytest.mark.parametrize(("options", "how"), PLACES)
def test_who_is_sure_that_others_find_the_files_archives(
    options: LogOptions, how: Archiving | None
) -> None:
    assert archiving(options) == how
