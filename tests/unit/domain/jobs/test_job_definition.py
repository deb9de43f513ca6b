"""A job's versions: what makes a new one, its number, and what the runs of old ones obey."""

from dataclasses import replace
from typing import Any

import pytest

from catalog.built_in_jobs import SPECS
from domain.errors import ConflictError, InvalidInputError
from domain.identifiers import definition_id
from domain.jobs.definition import JobDefinition, JobSpec
from domain.jobs.launching import concurrency_value
from domain.jobs.policies import RateLimit
from domain.json_values import Json
from tests.unit.given import NOON, at, new_topics

SPEC = JobSpec(
    name="Report",
    type="batch",
    entry_point="test.report",
    parameters_schema={"type": "object"},
    default_parameters={"day": "monday"},
    retry_policy={"maxAttempts": 3},
)


def registered(version: int = 1, spec: JobSpec = SPEC) -> JobDefinition:
    definition = JobDefinition.register("report", spec, version, NOON)
    definition.collect_events()
    return definition


def refused(changes: dict[str, Any], version: int | None = None) -> list[tuple[str, str]]:
    definition = registered(version=3)
    with pytest.raises(InvalidInputError) as error:
        definition.revise(changes, version, at(1))
    assert definition.pending_events == []
    return [(issue.path, issue.keyword) for issue in error.value.issues]


def test_its_size_is_that_of_its_content_whatever_was_derived_from_it() -> None:
    spec = replace(SPEC, rate_limit={"limit": 1, "periodMs": 1_000})
    size_bytes = spec.size_bytes()
    assert (spec.rate, spec.size_bytes()) == (RateLimit.from_json(spec.rate_limit), size_bytes)


def test_registering_makes_the_given_version() -> None:
    definition = JobDefinition.register("Report", SPEC, 7, at(0.9))
    assert (definition.id, definition.slug, definition.current) == (
        definition_id("report"),
        "Report",
        7,
    )
    assert definition.spec == SPEC
    assert definition.modified_on == NOON
    assert new_topics(definition) == ["job_definition.registered"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"parameters_schema": {"type": "nothing"}}, "/parametersSchema/type"),
        ({"output_schema": {"type": "nothing"}}, "/outputSchema/type"),
        ({"retry_policy": {"initialDelayMs": 2, "maxDelayMs": 1}}, "/retryPolicy/initialDelayMs"),
    ],
)
def test_wrong_content_is_refused_at_both_doors(changes: dict[str, Any], path: str) -> None:
    assert [where for where, _ in refused(changes)] == [path]
    with pytest.raises(InvalidInputError) as error:
        JobDefinition.register(
            "report", JobSpec(name="x", type="batch", entry_point="x", **changes), 1, NOON
        )
    assert [issue.path for issue in error.value.issues] == [path]


def test_all_that_is_wrong_is_said_at_once() -> None:
    changes = {"parameters_schema": {"type": "x"}, "output_schema": {"type": "y"}}
    assert [path for path, _ in refused(changes)] == [
        "/parametersSchema/type",
        "/outputSchema/type",
    ]


def test_a_revision_adds_one_to_the_version() -> None:
    definition = registered(version=3)
    definition.revise({"name": "Better report"}, None, at(5))
    (event,) = definition.pending_events
    assert isinstance(event, JobDefinition.Revised)
    assert (event.version, event.changes, event.timestamp) == (4, {"name": "Better report"}, at(5))


def test_a_revision_may_skip_versions() -> None:
    definition = registered(version=3)
    definition.revise({"name": "Better report"}, 10, at(5))
    assert definition.current == 10


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_below_the_current_one_is_refused(version: int) -> None:
    assert refused({"name": "Better report"}, version) == [("/version", "minimum")]


def test_the_current_version_counts_as_none() -> None:
    definition = registered(version=3)
    definition.revise({"name": "Report"}, 3, at(4))
    assert (definition.current, definition.version) == (3, 1)
    definition.revise({"name": "Better report"}, 3, at(5))
    assert definition.current == 4


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "Report"},
        {"default_parameters": {"day": "monday"}, "retry_policy": {"maxAttempts": 3}},
        {"timeout_ms": None, "priority": 0},
    ],
)
def test_what_changes_nothing_makes_no_version(changes: dict[str, Any]) -> None:
    definition = registered()
    definition.revise(changes, None, at(5))
    assert (definition.pending_events, definition.current) == ([], 1)


def test_an_order_of_keys_is_no_change() -> None:
    definition = registered(
        spec=JobSpec(name="x", type="batch", entry_point="x", metadata={"a": 1, "b": 2})
    )
    definition.revise({"metadata": {"b": 2, "a": 1}}, None, at(5))
    assert definition.pending_events == []


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), ({}, None), ([1, 2], [2, 1])])
def test_values_that_only_python_takes_for_equal_differ(old: Any, new: Any) -> None:
    definition = registered(spec=JobSpec(name="x", type="batch", entry_point="x", metadata=old))
    definition.revise({"metadata": new}, None, at(5))
    assert new_topics(definition) == ["job_definition.revised"]
    assert definition.spec.metadata is new


def test_an_explicit_higher_version_is_a_version_even_without_a_change() -> None:
    definition = registered()
    definition.revise({"name": "Report"}, 2, at(5))
    (event,) = definition.pending_events
    assert isinstance(event, JobDefinition.Revised)
    assert (event.version, event.changes) == (2, {})


def test_a_revision_keeps_only_what_differs() -> None:
    definition = registered()
    definition.revise({"name": "Report", "priority": 5}, None, at(5))
    (event,) = definition.pending_events
    assert isinstance(event, JobDefinition.Revised)
    assert event.changes == {"priority": 5}


def test_the_first_events_tell_what_an_earlier_version_said() -> None:
    definition = registered()
    definition.collect_events()
    definition.revise({"name": "Second", "timeout_ms": 2_000}, None, at(5))
    definition.revise({"timeout_ms": None}, 9, at(6))
    second, ninth = definition.collect_events()
    again = registered()
    assert (again.current, again.spec) == (1, SPEC)
    for event, seen in ((second, (2, 2_000)), (ninth, (9, None))):
        event.mutate(again)
        assert (again.current, again.spec.timeout_ms) == seen
        assert again.spec.name == "Second"
    assert again.spec == definition.spec


def test_a_revision_by_a_slow_clock_is_not_earlier_than_the_last_event() -> None:
    definition = registered()
    definition.revise({"priority": 1}, None, at(-1_000))
    assert definition.pending_events[0].timestamp == NOON


def test_a_job_is_paused_once_and_resumed_once() -> None:
    definition = registered()
    definition.pause("ada", "database moves", at(1))
    definition.pause("bob", "other reasons", at(2))
    definition.resume(at(3))
    definition.resume(at(4))
    paused, resumed = definition.pending_events
    assert isinstance(paused, JobDefinition.Paused)
    assert (paused.by, paused.reason, paused.timestamp) == ("ada", "database moves", at(1))
    assert isinstance(resumed, JobDefinition.Resumed)
    assert resumed.timestamp == at(3)
    assert definition.current == 1


def test_a_paused_job_can_be_revised_and_stays_paused() -> None:
    definition = registered()
    definition.pause("ada", None, at(1))
    definition.revise({"priority": 1}, None, at(2))
    assert (definition.is_paused, definition.current) == (True, 2)


def test_a_deleted_job_is_registered_again_with_the_next_version() -> None:
    definition = registered(version=3)
    definition.pause("ada", None, at(1))
    definition.delete(at(2), has_unfinished_runs=False)
    definition.register_again("REPORT", replace(SPEC, name="Anew"), None, at(3))
    *_, deleted, again = definition.pending_events
    assert isinstance(deleted, JobDefinition.Deleted)
    assert isinstance(again, JobDefinition.RegisteredAgain)
    assert (again.slug, again.version, again.timestamp) == ("REPORT", 4, at(3))
    assert (definition.slug, definition.current) == ("REPORT", 4)
    assert definition.spec == replace(SPEC, name="Anew")
    assert (definition.is_deleted, definition.is_paused) == (False, False)


@pytest.mark.parametrize("version", [1, 3])
def test_no_version_is_given_twice(version: int) -> None:
    definition = registered(version=3)
    definition.delete(at(1), has_unfinished_runs=False)
    with pytest.raises(InvalidInputError, match="above 3") as error:
        definition.register_again("report", SPEC, version, at(2))
    assert [issue.path for issue in error.value.issues] == ["/version"]
    definition.register_again("report", SPEC, 7, at(2))
    assert definition.current == 7


def test_a_job_with_unfinished_runs_is_not_deleted() -> None:
    definition = registered()
    with pytest.raises(ConflictError) as error:
        definition.delete(at(1), has_unfinished_runs=True)
    assert error.value.code == "job_has_unfinished_runs"
    assert definition.pending_events == []


def test_a_job_that_the_service_needs_is_not_deleted() -> None:
    for slug in SPECS:
        definition = JobDefinition.register(slug.upper(), SPEC, 1, NOON)
        with pytest.raises(ConflictError) as error:
            definition.delete(at(1), has_unfinished_runs=False)
        assert error.value.code == "job_is_built_in"


def test_a_job_that_is_there_is_not_registered_again() -> None:
    with pytest.raises(ConflictError) as error:
        registered().register_again("report", SPEC, None, at(1))
    assert error.value.code == "job_exists"


@pytest.mark.parametrize(
    ("key", "parameters", "value"),
    [
        (None, {"app": "x"}, None),
        ("app", {}, None),
        ("app", {"app": "x"}, '"x"'),
        ("app", {"app": None}, "null"),
        ("app", {"app": {"b": 1, "a": 2}}, '{"a":2,"b":1}'),
    ],
)
def test_runs_with_the_same_value_of_the_concurrency_key_share_its_canonical_text(
    key: str | None, parameters: dict[str, Any], value: str | None
) -> None:
    spec = JobSpec(name="x", type="batch", entry_point="x", concurrency_key=key)
    assert concurrency_value(spec, parameters) == value


def test_without_a_policy_a_run_gets_one_attempt() -> None:
    assert JobSpec(name="x", type="batch", entry_point="x").max_attempts == 1
    assert SPEC.max_attempts == 3


def test_large_values_are_not_copied_on_their_way_into_events() -> None:
    # Member by member, a megabyte would take most of a second, in which everybody waits.
    metadata: Json = [[], {}]
    spec = replace(SPEC, metadata=metadata)
    assert registered(spec=spec).spec.metadata is metadata
