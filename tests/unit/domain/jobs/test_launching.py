"""From a request and a definition to a pending run."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import InvalidInputError
from domain.jobs.definition import JobDefinition, JobSpec
from domain.jobs.launching import MAX_AHEAD, Launch, Overrides, launch_events, new_run, relaunch
from domain.jobs.run import JobRun
from domain.jobs.run_events import Requested
from domain.json_values import JsonObject
from tests.unit.given import NOON, RUN_ID, WORKER, at

BY_DAY: JsonObject = {"limit": 2, "periodMs": 1_000, "key": "day"}

SPEC = JobSpec(
    name="Report",
    type="batch",
    entry_point="test.report",
    parameters_schema={"properties": {"day": {"type": "string"}}, "required": ["day"]},
    default_parameters={"day": None, "options": {"deep": True, "wide": True}},
    timeout_ms=5_000,
    retry_policy={"maxAttempts": 3},
    priority=4,
)


def defined(**changes: Any) -> JobDefinition:
    return JobDefinition.register("Report", replace(SPEC, **changes), 2, NOON)


def launched(definition: JobDefinition | None = None, **options: Any) -> Requested:
    launch = Launch(**{"parameters": {"day": "monday"}, **options})
    run = new_run(definition or defined(), launch, RUN_ID, "anna", at(1_000.5))
    (event,) = run.pending_events
    assert isinstance(event, Requested)
    return event


def refusals(definition: JobDefinition | None = None, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInputError) as refused:
        launched(definition, **options)
    return [(issue.path, issue.keyword) for issue in refused.value.issues]


def test_a_run_takes_from_the_definition_what_the_launch_leaves_open() -> None:
    run = launched()
    assert (run.slug, run.definition_version, run.entry_point) == ("Report", 2, "test.report")
    assert (run.timeout_ms, run.max_attempts, run.priority) == (5_000, 3, 4)
    assert run.retry_policy == {"maxAttempts": 3}
    assert run.requested_by == "anna"
    assert run.context is None


def test_the_launch_overrides_the_definition() -> None:
    run = launched(timeout_ms=9_000, max_attempts=1, priority=0, context={"a": 1})
    assert (run.timeout_ms, run.max_attempts, run.priority, run.context) == (9_000, 1, 0, {"a": 1})


def test_a_run_of_a_job_without_limits_has_none() -> None:
    run = launched(defined(timeout_ms=None, retry_policy=None))
    assert (run.timeout_ms, run.max_attempts) == (None, 1)


def test_given_parameters_replace_defaults_at_the_top_level_alone() -> None:
    run = launched(parameters={"day": "monday", "options": {"deep": False}})
    assert run.parameters == {"day": "monday", "options": {"deep": False}}
    assert launched().parameters == {"day": "monday", "options": {"deep": True, "wide": True}}


def test_defaults_that_violate_the_schema_alone_must_be_overridden() -> None:
    assert refusals(parameters={}) == [("/parameters/day", "type")]


def test_a_missing_parameter_is_pointed_at() -> None:
    assert refusals(defined(default_parameters={}), parameters={}) == [
        ("/parameters/day", "required")
    ]


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert refusals(parameters={"day": 1}, scheduled_at=NOON, delay_ms=1) == [
        ("/parameters/day", "type"),
        ("/delayMs", "oneOf"),
    ]


def test_a_run_is_due_at_once_unless_planned() -> None:
    run = launched()
    assert run.timestamp == run.scheduled_at == at(1_000)


def test_a_delay_counts_from_the_launch() -> None:
    assert launched(delay_ms=250).scheduled_at == at(1_250)


def test_a_planned_start_is_kept() -> None:
    assert launched(scheduled_at=at(9_000)).scheduled_at == at(9_000)


def test_a_start_planned_in_the_past_is_now() -> None:
    assert launched(scheduled_at=at(-9_000)).scheduled_at == at(1_000)


def test_a_start_beyond_all_plans_is_refused() -> None:
    assert launched(scheduled_at=at(1_000) + MAX_AHEAD).scheduled_at == at(1_000) + MAX_AHEAD
    late = at(1_000) + MAX_AHEAD + timedelta(milliseconds=1)
    assert refusals(scheduled_at=late) == [("/scheduledAt", "maximum")]


def test_a_start_deadline_counts_from_the_planned_start() -> None:
    definition = defined(start_deadline_ms=500)
    assert launched(definition, delay_ms=250).start_deadline_at == at(1_750)
    assert launched(definition, start_deadline_ms=100).start_deadline_at == at(1_100)
    assert launched(start_deadline_ms=100).start_deadline_at == at(1_100)
    assert launched().start_deadline_at is None


def test_the_concurrency_value_is_that_of_the_runs_own_parameter() -> None:
    assert launched(defined(concurrency_key="day")).concurrency_value == '"monday"'
    assert launched().concurrency_value is None


def test_only_a_launch_under_a_key_keeps_its_digest() -> None:
    keyed = launched(idempotency_key="k1", body={"a": 1})
    assert (keyed.idempotency_key, keyed.request_digest) == ("k1", Launch(body={"a": 1}).digest)
    assert launched(body={"a": 1}).request_digest is None


def test_a_digest_is_that_of_the_canonical_body_alone() -> None:
    digest = Launch(body={"a": 1, "b": {"c": 2, "d": 3}}).digest
    assert (
        Launch(
            body={"b": {"d": 3, "c": 2}, "a": 1}, parameters={"x": 1}, idempotency_key="k"
        ).digest
        == digest
    )
    assert Launch(body={"a": 1, "b": {"c": 2}}).digest != digest
    assert Launch(body={"a": True, "b": {"c": 2, "d": 3}}).digest != digest


def ended(definition: JobDefinition, **options: Any) -> JobRun:
    run = new_run(
        definition, Launch(**{"parameters": {"day": "monday"}, **options}), RUN_ID, "anna", NOON
    )
    run.request_cancel(at(1), None)
    return run


def test_a_relaunch_repeats_parameters_context_and_overrides() -> None:
    definition = defined()
    again = relaunch(
        definition.spec,
        ended(definition, context={"why": "test"}, timeout_ms=9_000, max_attempts=1),
        NOON,
    )
    assert again.parameters["day"] == "monday"
    assert again.context == {"why": "test", "retryOf": str(RUN_ID)}
    assert (again.timeout_ms, again.max_attempts, again.priority) == (9_000, 1, None)


def test_a_relaunch_has_what_is_changed_and_all_else_of_the_run() -> None:
    definition = defined()
    old = ended(definition, context={"why": "test"}, timeout_ms=9_000, max_attempts=1)
    launch = Launch(context={"new": 1, "retryOf": "another"}, timeout_ms=None, body={"sent": True})
    overrides = Overrides(launch, {"context", "timeout_ms"}, patch={"week": 7})
    again = relaunch(definition.spec, old, NOON, overrides)
    assert again.parameters["day"] == "monday"
    assert again.parameters["week"] == 7
    assert again.context == {"new": 1, "retryOf": str(RUN_ID)}
    assert (again.timeout_ms, again.max_attempts) == (None, 1)
    assert again.body == {"sent": True}


def test_a_relaunch_obeys_the_job_as_it_is_today() -> None:
    definition = defined()
    old = ended(definition)
    pinned = definition.spec
    definition.revise(
        {"timeout_ms": 7_000, "priority": -3, "retry_policy": {"maxAttempts": 9}}, None, at(2)
    )
    event = new_run(definition, relaunch(pinned, old, NOON), RUN_ID, "ben", at(3)).pending_events[0]
    assert isinstance(event, Requested)
    assert (event.timeout_ms, event.max_attempts, event.priority) == (7_000, 9, -3)
    assert event.definition_version == 3


def test_a_relaunch_of_a_relaunch_names_the_last_one() -> None:
    definition = defined()
    old = ended(definition, context={"retryOf": "older"})
    again = relaunch(definition.spec, old, NOON)
    assert again.context == {"retryOf": str(RUN_ID)}


@pytest.mark.parametrize("delay_ms", [None, 5_000])
def test_a_relaunch_has_the_start_deadline_of_the_launch(delay_ms: int | None) -> None:
    definition = defined()
    old = ended(definition, start_deadline_ms=60_000, delay_ms=delay_ms)
    again = relaunch(definition.spec, old, old.scheduled_at)
    assert again.start_deadline_ms == 60_000
    assert relaunch(definition.spec, ended(definition), NOON).start_deadline_ms is None


def test_a_launched_run_can_start() -> None:
    run = new_run(defined(), Launch(parameters={"day": "monday"}), RUN_ID, "anna", NOON)
    assert run.start(WORKER, NOON).execution == 1


@pytest.mark.parametrize(
    "options",
    [{}, {"idempotency_key": "k"}, {"delay_ms": 5, "start_deadline_ms": 7, "context": {}}],
)
@pytest.mark.parametrize("limits", [{}, {"rate_limit": BY_DAY}, {"fairness_key": "day"}])
def test_the_events_made_without_their_run_are_the_very_ones_that_make_the_run(
    options: dict[str, Any], limits: dict[str, Any]
) -> None:
    launch = Launch(**{"parameters": {"day": "monday"}, **options})
    definition = defined(**limits)
    events = launch_events(definition, launch, RUN_ID, "anna", at(1_000.5))
    run = new_run(definition, launch, RUN_ID, "anna", at(1_000.5))
    made = list(run.collect_events())
    assert list(events) == made
    assert len(made) == 1 + len(limits)
    for event, other in zip(events, made, strict=True):
        assert list(vars(event)) == list(vars(other)), "stored in this order"
    again = None
    for event in events:
        again = event.mutate(again)
    assert again == run


RATES: list[tuple[JsonObject | None, JsonObject, list[str]]] = [
    (None, {"day": "monday"}, []),
    ({"limit": 1, "periodMs": 1}, {}, [""]),
    (BY_DAY, {"day": "monday"}, ['"monday"']),
    (BY_DAY, {"day": {"b": 1, "a": None}}, ['{"a":null,"b":1}']),
    (BY_DAY, {"other": 1}, []),
]


@pytest.mark.parametrize(("rate", "parameters", "values"), RATES)
def test_a_run_counts_by_its_parameter_s_value(
    rate: JsonObject | None, parameters: JsonObject, values: list[str]
) -> None:
    definition = JobDefinition.register(
        "job", JobSpec(name="Job", type="batch", entry_point="x", rate_limit=rate), 1, NOON
    )
    launch = Launch(parameters=parameters)
    _, *more = launch_events(definition, launch, RUN_ID, "anna", NOON)
    assert [event.groups["rate"] for event in more] == values


@pytest.mark.parametrize(("parameters", "value"), [({"tenant": "a"}, '"a"'), ({"other": 1}, "")])
def test_a_run_takes_turns_by_its_parameter_s_value(parameters: JsonObject, value: str) -> None:
    launch = Launch(parameters={"day": "monday", **parameters})
    fair = defined(fairness_key="tenant")
    [grouped] = launch_events(fair, launch, RUN_ID, "anna", NOON)[1:]
    assert grouped.groups == {"fair": value}
    both = defined(fairness_key="tenant", rate_limit=BY_DAY)
    [grouped] = launch_events(both, launch, RUN_ID, "anna", NOON)[1:]
    assert grouped.groups == {"rate": '"monday"', "fair": value}


@pytest.mark.parametrize("limits", [{"rate_limit": BY_DAY}, {"fairness_key": "day"}])
def test_a_value_that_is_counted_by_is_short(limits: dict[str, Any]) -> None:
    parameters: JsonObject = {"day": "d" * 1_000}
    with pytest.raises(InvalidInputError, match="at most 1000 bytes"):
        launch_events(defined(**limits), Launch(parameters=parameters), RUN_ID, "", NOON)
