"""What the schema guards of an archive: its role, its index, and the way down."""

from pathlib import Path
from uuid import UUID

import pytest
from psycopg import errors

from eventlog.archive import role
from migrations import runner
from tests.integration.archive.test_archiving import attempt
from tests.support.logs import query
from tests.support.sample_logs.archives import make_role


@pytest.mark.parametrize("table", ["log_archives", "archived_blocks", "archived_runs"])
def test_the_index_only_grows(archived: tuple[str, Path, UUID], table: str) -> None:
    url, _, _ = archived
    for change in (
        f"DELETE FROM {table}",
        f"UPDATE {table} SET first_position = 2",
        f"TRUNCATE {table}",
    ):
        with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
            attempt(url, change)


def test_the_schema_goes_down_only_while_nothing_is_archived(
    archived: tuple[str, Path, UUID],
) -> None:
    url, _, _ = archived
    with pytest.raises(runner.SchemaError, match="3 events of the log lie in archive files"):
        runner.downgrade(url, "0008")
    assert runner.current(url) == runner.HEAD


async def test_the_schema_goes_down_and_up_with_the_role_in_place(database_url: str) -> None:
    await make_role(database_url)
    runner.downgrade(database_url, "0008")
    runner.upgrade(database_url)
    granted = "SELECT has_table_privilege(%s, 'jobs_events', 'DELETE')"
    assert query(database_url, granted, role.ROLE) == [(False,)]
    await make_role(database_url)
    assert query(database_url, granted, role.ROLE) == [(True,)]


def test_the_migration_knows_the_role_by_the_same_name() -> None:
    text = (Path(runner.__file__).parent / "versions" / "0009_archive.py").read_text()
    assert f'ROLE = "{role.ROLE}"' in text
