"""The client's views of documents are of fields that there are, and its defaults the service's."""

from datetime import UTC, datetime

import pytest
from pydantic import BaseModel
from pydantic.alias_generators import to_camel, to_snake

from api.shapes import jobs as job_shapes
from api.shapes import runs as run_shapes
from apphub_jobs import job
from apphub_jobs.client.documents import Document, JobDocument, RunDocument
from apphub_jobs.client.requests.jobs import DEFAULTS, differences, patch
from domain.jobs.definition import JobSpec
from domain.jobs.run_events import FINAL, STATUSES

ADDED = {"is_final", "progress", "description"}
"""Views that are no field of their own."""

BY_KEY = {"quarantined"}
"""Fields that are seldom there."""


def keys(shape: type[BaseModel]) -> list[str]:
    """Return what the fields are called in JSON."""
    fields = shape.model_fields
    return [field.alias or name for name, field in fields.items()]


@pytest.mark.parametrize(
    ("document", "shape"), [(RunDocument, run_shapes.Run), (JobDocument, job_shapes.Definition)]
)
def test_each_view_is_of_a_field(document: type[Document], shape: type[BaseModel]) -> None:
    views = {name for name in dir(document) if isinstance(getattr(document, name), property)}
    fields = {to_snake(name) for name in keys(shape)}
    assert views - ADDED == fields - BY_KEY


def test_views_read_their_own_field() -> None:
    fields = {to_camel(name): name for name in run_shapes.Run.model_fields}
    times = {name: "2026-11-25T12:00:00.123Z" for name in fields if name.endswith("At")}
    run = RunDocument({**fields, **times, "metrics": {}, "context": {}})
    at = datetime(2026, 11, 25, 12, 0, 0, 123_000, tzinfo=UTC)
    for key, name in fields.items():
        if name not in BY_KEY:
            expected = at if key in times else run[key]
            assert getattr(run, name) == expected


def test_final_statuses_are_the_services() -> None:
    for status in STATUSES:
        assert RunDocument(status=status).is_final == (status in FINAL)


def test_defaults_of_definitions_are_the_services() -> None:
    spec = JobSpec(name="n", type="batch", entry_point="e")
    own = {to_camel(name): value for name, value in vars(spec).items()}
    own["unique"] = own.pop("uniqueRuns")
    for required in ("name", "type", "entryPoint"):
        del own[required]
    del own["owner"]  # What says nothing of it leaves it as it is.
    assert own == DEFAULTS, "what `apply` sends for fields that nobody gives"


@job(timeout="30s")
def greet(name: str) -> None:
    pass


def test_a_definition_is_compared_with_what_is_there() -> None:
    current = {**DEFAULTS, **greet.definition, "version": 3, "id": "d", "createdAt": ""}
    assert differences(greet, current) == {}
    current |= {"timeoutMs": None, "priority": 5}
    assert differences(greet, current) == {"timeoutMs": (None, 30_000), "priority": (5, 0)}
    assert patch(greet, current) == {"timeoutMs": 30_000, "priority": 0}
