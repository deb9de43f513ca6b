"""Which parameters are personal data, whose they are, and which marks are refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from catalog.built_in_jobs import BUILD_SLUG, INGEST_SLUG
from domain.errors import ConflictError, InvalidInputError
from domain.jobs.definition import JobDefinition, JobSpec
from domain.jobs.launching import Launch, new_run, repeated_personal
from domain.personal import MAX_ISSUES, mark_issues, marks, subject_issues, subjects_of
from tests.unit.given import DEFINITION_ID, NOON, RUN_ID, a_run

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def properties(**named: Any) -> dict[str, Any]:
    return {"type": "object", "properties": named}


WHO = {"x-subject": "who"}


def spec(schema: dict[str, Any], **fields: Any) -> JobSpec:
    return JobSpec(
        name="Job", type="batch", entry_point="test.noop", parameters_schema=schema, **fields
    )


def paths(
    schema: dict[str, Any], defaults: Any = None, concurrency_key: str | None = None
) -> list[str]:
    kept_open: dict[str, str] = {}
    if concurrency_key is not None:
        kept_open[concurrency_key] = "/concurrencyKey"
    return [issue.path for issue in mark_issues(schema, defaults or {}, kept_open)]


def test_a_property_is_marked_with_the_parameter_that_names_its_subject() -> None:
    schema = properties(who=WHO, mail=WHO, day={"type": "string"}, any=True)
    assert marks(schema) == {"who": "who", "mail": "who"}
    assert spec(schema).personal == {"who": "who", "mail": "who"}
    assert paths(schema) == []


@pytest.mark.parametrize(
    "schema", [{}, {"properties": []}, {"properties": {"a": True}}, properties(a={"x-subject": 1})]
)
def test_where_nothing_is_marked_as_it_should_nothing_is_personal(schema: dict[str, Any]) -> None:
    assert marks(schema) == {}


@pytest.mark.parametrize("mark", ["nobody", "", None, 1, ["who"], {"who": 1}, True])
def test_a_mark_must_name_a_property(mark: Any) -> None:
    schema = properties(who=WHO, mail={"x-subject": mark})
    assert paths(schema) == ["/parametersSchema/properties/mail/x-subject"]
    with pytest.raises(InvalidInputError):
        JobDefinition.register("job", spec(schema), 1, NOW)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (WHO, "/x-subject"),
        (
            properties(who=WHO, deep=properties(mail=WHO)),
            "/properties/deep/properties/mail/x-subject",
        ),
        (
            {**properties(who=WHO), "allOf": [properties(mail=WHO)]},
            "/allOf/0/properties/mail/x-subject",
        ),
        ({**properties(who=WHO), "$defs": {"mail": WHO}}, "/$defs/mail/x-subject"),
        (
            {**properties(who=WHO), "patternProperties": {"^m/": WHO}},
            "/patternProperties/^m~1/x-subject",
        ),
        ({**properties(who=WHO), "additionalProperties": WHO}, "/additionalProperties/x-subject"),
        ({**properties(who=WHO), "if": {"not": WHO}}, "/if/not/x-subject"),
    ],
)
def test_a_mark_elsewhere_is_refused_rather_than_passed_over(
    schema: dict[str, Any], path: str
) -> None:
    assert paths(schema) == [f"/parametersSchema{path}"]


def test_what_only_looks_like_a_mark_is_none() -> None:
    named = properties(who=WHO, **{"x-subject": {"type": "string"}})
    assert paths({**named, "default": WHO, "examples": [WHO], "const": WHO, "enum": [WHO]}) == []
    assert (
        paths({**named, "$defs": {"x-subject": True}, "dependentSchemas": {"x-subject": {}}}) == []
    )


def test_what_the_log_would_keep_in_the_open_is_refused() -> None:
    schema = properties(who=WHO, mail=WHO, day={})
    assert paths(schema, {"who": "bo", "mail": None, "day": "monday"}) == ["/defaultParameters/who"]
    assert paths(schema, {}, "mail") == ["/concurrencyKey"]
    assert paths(schema, {"who": None}, "day") == []


def test_a_revision_is_checked_like_a_registration() -> None:
    definition = JobDefinition.register("job", spec({}, default_parameters={"who": "bo"}), 1, NOW)
    with pytest.raises(InvalidInputError) as refused:
        definition.revise({"parameters_schema": properties(who=WHO)}, None, NOW)
    assert [issue.path for issue in refused.value.issues] == ["/defaultParameters/who"]


@pytest.mark.parametrize("slug", [INGEST_SLUG, BUILD_SLUG, "Repository-Build"])
def test_the_catalogs_own_jobs_take_no_personal_data(slug: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        JobDefinition.register(slug, spec(properties(who=WHO)), 1, NOW)
    assert [issue.path for issue in refused.value.issues] == ["/parametersSchema"]
    definition = JobDefinition.register(slug, spec({}), 1, NOW)
    with pytest.raises(InvalidInputError):
        definition.revise({"parameters_schema": properties(who=WHO)}, None, NOW)


@pytest.mark.parametrize(
    ("value", "name"), [("bo", "bo"), (7, "7"), ("7", "7"), (0, "0"), (-1, "-1"), (" ", " ")]
)
def test_a_subject_is_named_by_a_text_or_an_integer(value: Any, name: str) -> None:
    marked = {"mail": "who"}
    assert subject_issues(marked, {"who": value, "mail": "m"}) == []
    assert subjects_of(marked, {"who": value, "mail": "m"}) == {"mail": name}


@pytest.mark.parametrize("value", [None, "", True, False, 1.5, [], ["bo"], {}])
def test_a_value_of_nobody_is_refused(value: Any) -> None:
    [issue] = subject_issues({"mail": "who"}, {"who": value, "mail": "m"})
    assert issue.path == "/parameters/who"
    definition = JobDefinition.register("job", spec(properties(who={}, mail=WHO)), 1, NOW)
    with pytest.raises(InvalidInputError):
        new_run(definition, Launch(parameters={"who": value, "mail": "m"}), RUN_ID, "anna", NOON)


def test_no_value_belongs_to_nobody() -> None:
    cases: list[dict[str, Any]] = [{}, {"mail": None}, {"who": "bo", "mail": None}]
    for parameters in cases:
        assert subject_issues({"mail": "who"}, parameters) == []
        assert subjects_of({"mail": "who"}, parameters) == {}


def test_a_repeated_run_stays_encrypted_whatever_the_job_says_today() -> None:
    key = "11111111-2222-4333-8444-555555555555"
    old = a_run(definition_id=str(DEFINITION_ID), parameters={"who": "bo", "mail": "m", "day": "d"})
    old.state = {**old.state, "personal": {key: ["mail", "who"]}}
    unmarked = JobDefinition.register("job", spec({}), 1, NOW)
    kept = repeated_personal(unmarked, old, old)
    assert {name: str(whose) for name, whose in kept.items()} == {"who": key, "mail": key}
    marked = JobDefinition.register("job", spec(properties(who={}, day=WHO)), 1, NOW)
    assert repeated_personal(marked, old, old)["day"] == "bo"
    by_turns = JobDefinition.register("job", spec({}, concurrency_key="mail"), 1, NOW)
    with pytest.raises(ConflictError) as refused:
        repeated_personal(by_turns, old, old)
    assert refused.value.code == "parameter_is_personal"


@pytest.mark.timeout(150)
def test_no_more_marks_are_refused_than_help_however_many_are_wrong() -> None:
    # Each says where it stands: a megabyte of them would fill the memory, and take hours.
    misplaced = {"k" * 200_000: [WHO] * 20_000}
    refused = paths(misplaced)
    assert len(refused) == MAX_ISSUES
    assert refused[1] == f"/parametersSchema/{'k' * 200_000}/1/x-subject"
    dangling = {f"p{number}": WHO for number in range(100_000)}
    assert len(paths(properties(**dangling))) == MAX_ISSUES
