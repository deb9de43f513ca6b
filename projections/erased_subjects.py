"""The table `erased_subjects`: which keys of subjects were destroyed, when and why. Whose they were nobody can tell."""

from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.table import COMMON_COLUMNS, Table

COLUMNS: dict[str, str] = {
    "key_id": "uuid",
    "reason": "text",
    "runs": "bigint",
    "erased_at": "timestamptz",
    **COMMON_COLUMNS,
}


def evolve(row: Row | None, event: Envelope) -> Row:
    """Return the columns that the event changes."""
    if row is not None or event.topic != "subject.erased":
        msg = f"erased_subjects does not know {event.topic} here"
        raise ValueError(msg)
    return {"reason": event.data["reason"], "runs": event.data["runs"], "erased_at": event.at}


TABLE = Table("erased_subjects", "subject", "key_id", COLUMNS, evolve)


def present(row: Row) -> JsonObject:
    """Return the erasure as clients see it."""
    return {
        "keyId": row["key_id"],
        "reason": row["reason"],
        "runs": row["runs"],
        "erasedAt": row["erased_at"],
    }
