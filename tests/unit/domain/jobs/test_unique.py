"""By what runs are unique, and which definitions and launches are refused for it."""

from typing import Any

import pytest

from catalog.built_in_jobs import BUILD_SLUG
from catalog.handler_settings import BUILD_ENTRY_POINT
from domain.errors import InvalidInputError
from domain.jobs.definition import JobDefinition, JobSpec
from domain.jobs.launching import Launch, launch_events, new_run
from domain.json_values import JsonObject
from tests.unit.given import NOON, RUN_ID

PROPERTIES: JsonObject = {"day": {}, "team": {}, "who": {"x-subject": "who"}}


def defined(*key: str, slug: str = "job", **changes: Any) -> JobDefinition:
    unique = {"key": [*key], "until": "start", "onConflict": "keep"}
    fields: dict[str, Any] = {
        "name": "Job",
        "type": "batch",
        "entry_point": "x",
        "parameters_schema": {"properties": PROPERTIES},
        "unique_runs": unique,
        **changes,
    }
    return JobDefinition.register(slug, JobSpec(**fields), 1, NOON)


VALUES: list[tuple[JsonObject, str]] = [
    ({"day": "monday", "team": 1}, '{"day":"monday","team":1}'),
    ({"team": 1, "day": "monday", "other": 2}, '{"day":"monday","team":1}'),
    ({"day": {"b": 1, "a": None}}, '{"day":{"a":null,"b":1}}'),
    ({"day": None}, '{"day":null}'),
    ({"other": 1}, "{}"),
]


@pytest.mark.parametrize(("parameters", "value"), VALUES)
def test_a_run_is_unique_by_the_values_of_its_parameters(
    parameters: JsonObject, value: str
) -> None:
    definition = defined("team", "day")
    launch = Launch(parameters=parameters)
    _, *others = launch_events(definition, launch, RUN_ID, "anna", NOON)
    [grouped] = others
    assert grouped.groups == {"unique_until_start": value}
    run = new_run(definition, launch, RUN_ID, "anna", NOON)
    assert list(run.collect_events())[1:] == [grouped]


def test_what_is_by_default_counts_as_given() -> None:
    definition = defined("day", default_parameters={"day": "monday"})
    _, *others = launch_events(definition, Launch(), RUN_ID, "anna", NOON)
    [grouped] = others
    assert grouped.groups == {"unique_until_start": '{"day":"monday"}'}


REFUSED: list[tuple[list[str], dict[str, Any], tuple[str, str]]] = [
    (["day", "daay"], {}, ("/unique/key/1", "enum")),
    (["day", "team", "day"], {}, ("/unique/key/2", "uniqueItems")),
    (["day"], {"parameters_schema": {}}, ("/unique/key/0", "enum")),
    (["who"], {}, ("/unique/key", "x-subject")),
    (["day"], {"entry_point": BUILD_ENTRY_POINT}, ("/unique", "not")),
    (["day"], {"slug": BUILD_SLUG}, ("/unique", "not")),
]


@pytest.mark.parametrize(("key", "changes", "issue"), REFUSED)
def test_a_key_that_cannot_be_kept_is_refused(
    key: list[str], changes: dict[str, Any], issue: tuple[str, str]
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        defined(*key, **changes)
    assert issue in [(one.path, one.keyword) for one in refused.value.issues]


def test_the_values_are_short_together() -> None:
    definition = defined("day", "team")
    parameters: JsonObject = {"day": "d" * 600, "team": "t" * 600}
    with pytest.raises(InvalidInputError, match="at most 1000 bytes as JSON"):
        launch_events(definition, Launch(parameters=parameters), RUN_ID, "", NOON)
