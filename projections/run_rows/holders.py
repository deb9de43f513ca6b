"""Which runs have the slots of their jobs, where runs are unique."""

from collections.abc import Iterable
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.identifiers import Slot
from projections.run_rows.row import IS_UNFINISHED

HOLDERS = f"""
    SELECT holder.*
    FROM jsonb_to_recordset(%(slots)s::jsonb) AS slot (definition_id uuid, value text), LATERAL (
        SELECT id, job_definition_id, unique_value, status FROM job_runs
        WHERE job_definition_id = slot.definition_id AND unique_value = slot.value
          AND {IS_UNFINISHED} AND (unique_until = 'end' OR execution = 0)
        LIMIT 1
    ) AS holder
"""
"""A run has its slot from its request until its first start, or until its end."""


class HolderRow(TypedDict):
    """A run that has a slot."""

    id: ReadOnly[str]
    job_definition_id: ReadOnly[str]
    unique_value: ReadOnly[str]
    status: ReadOnly[str]


def asked(slots: Iterable[Slot]) -> dict[str, str]:
    """Return the values that `HOLDERS` takes."""
    told = [
        {"definition_id": str(slot.definition_id), "value": slot.value}
        for slot in slots
    ]
    return {"slots": orjson.dumps(told).decode()}


def slot_of(row: HolderRow) -> Slot:
    """Return which slot a run has."""
    return Slot(UUID(row["job_definition_id"]), row["unique_value"])
