"""The table `saved_views`: filters of the list of runs that everybody sees, by name."""

from domain.identifiers import saved_view_id
from domain.json_values import JsonObject
from domain.ports import Row
from domain.saved_views import SavedView, ViewState
from projections.rows import Connection, columns_of, presented, read_rows, read_value
from projections.table import DecisiveRow, TableOf, shown_columns


class SavedViewRow(DecisiveRow, ViewState):
    """A view's state, and the last event that it includes."""


COLUMNS = columns_of(SavedViewRow)

SHOWN = shown_columns(SavedViewRow, hidden={"aggregate_id"})


TABLE: TableOf[SavedViewRow] = TableOf(
    "saved_views",
    "saved_view",
    "aggregate_id",
    COLUMNS,
    SavedView.fold(),
    label="name",
    id_by_name=saved_view_id,
)


def present(row: Row) -> JsonObject:
    """Return the view as clients see it."""
    return presented(row, SHOWN)


_COUNT = "SELECT count(*) FROM saved_views WHERE deleted_at IS NULL"

_BY_NAME = 'ORDER BY name COLLATE "C"'

_LIVING = f"SELECT {', '.join(COLUMNS)} FROM saved_views WHERE deleted_at IS NULL {_BY_NAME}"

_LIVING_AT = f"""
    SELECT {", ".join(COLUMNS)} FROM saved_views CROSS JOIN LATERAL (
        SELECT topic FROM jobs_events
        WHERE originator_id = aggregate_id AND notification_id <= %(position)s
        ORDER BY originator_version DESC LIMIT 1
    ) AS last WHERE topic <> '{SavedView.Deleted.TOPIC}' {_BY_NAME}
"""


async def count(connection: Connection) -> int:
    """Return how many views are not deleted."""
    return await read_value(connection, int, _COUNT)


async def by_name(connection: Connection) -> list[SavedViewRow]:
    """Return the views that are not deleted, by name."""
    return await read_rows(connection, SavedViewRow, _LIVING)


async def living_at(connection: Connection, position: int) -> list[SavedViewRow]:
    """Return the present rows of the views that existed at a position, by name."""
    return await read_rows(connection, SavedViewRow, _LIVING_AT, {"position": position})
