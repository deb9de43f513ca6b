"""What clients see of a job after each event, and what the stream tells of it."""

from domain.jobs.definition import JobDefinition, JobSpec
from domain.json_values import JsonObject
from projections import job_definitions
from projections.envelope import Envelope
from tests.unit.given import at, iso, stored
from tests.unit.projections.test_projection_folds import (
    assert_unknown_is_no_silence,
    messages_of,
    steps,
)

SPEC = JobSpec(
    name="Report",
    type="batch",
    entry_point="test.report",
    parameters_schema={"type": "object"},
    default_parameters={"day": None},
    timeout_ms=5_000,
    metadata=[1, None],
)


def definition_events() -> list[Envelope]:
    definition = JobDefinition.register("Report", SPEC, 1, at(0))
    definition.revise(
        {"timeout_ms": None, "retry_policy": {"maxAttempts": 2}, "metadata": "x"}, 5, at(10)
    )
    return stored(definition)


def registered() -> JsonObject:
    return {
        "id": str(definition_events()[0].aggregate_id),
        "slug": "Report",
        "name": "Report",
        "version": 1,
        "type": "batch",
        "runtime": "python",
        "entryPoint": "test.report",
        "parametersSchema": {"type": "object"},
        "defaultParameters": {"day": None},
        "outputSchema": None,
        "timeoutMs": 5_000,
        "retryPolicy": None,
        "metadata": [1, None],
        "moduleBinding": None,
        "owner": None,
        "priority": 0,
        "maxConcurrentRuns": None,
        "concurrencyKey": None,
        "concurrencyLimit": 1,
        "rateLimit": None,
        "fairnessKey": None,
        "unique": None,
        "startDeadlineMs": None,
        "resources": None,
        "workerLabels": {},
        "retention": None,
        "isolation": "process",
        "paused": None,
        "createdAt": iso(0),
        "updatedAt": iso(0),
    }


def revised() -> JsonObject:
    changes: JsonObject = {"timeoutMs": None, "retryPolicy": {"maxAttempts": 2}, "metadata": "x"}
    return {**registered(), **changes, "version": 5, "updatedAt": iso(10)}


def test_a_job_is_shown_as_registered_and_as_revised() -> None:
    seen = [
        job_definitions.present(after)
        for _, _, after in steps(job_definitions.TABLE, definition_events())
    ]
    assert seen == [registered(), revised()]


def test_each_version_of_a_job_is_told() -> None:
    assert messages_of(definition_events()) == [
        [("job.definition.updated", {"job": registered()})],
        [("job.definition.updated", {"job": revised()})],
    ]


def test_a_pause_is_shown_with_its_reason_and_told_by_its_name() -> None:
    definition = JobDefinition.register("Report", SPEC, 1, at(0))
    definition.pause("ada", "database moves", at(5))
    definition.resume(at(9))
    paused: JsonObject = {
        "paused": {"at": iso(5), "by": "ada", "reason": "database moves"},
        "updatedAt": iso(5),
    }
    while_paused = {"job": {**registered(), **paused}}
    resumed = {"job": {**registered(), "updatedAt": iso(9)}}
    assert messages_of(stored(definition))[1:] == [
        [("job.definition.paused", while_paused), ("job.definition.updated", while_paused)],
        [("job.definition.resumed", resumed), ("job.definition.updated", resumed)],
    ]


def test_a_deletion_is_told_by_its_name_alone_and_what_comes_again_as_new() -> None:
    definition = JobDefinition.register("Report", SPEC, 1, at(0))
    definition.pause("ada", None, at(5))
    definition.delete(at(7), has_unfinished_runs=False)
    definition.register_again("REPORT", SPEC, None, at(9))
    events = stored(definition)
    *_, deleted, again = messages_of(events)
    assert [kind for kind, _ in deleted] == ["job.definition.deleted"]
    anew = {**registered(), "slug": "REPORT", "version": 2, "updatedAt": iso(9)}
    assert again == [("job.definition.updated", {"job": anew})]
    rows = [after for _, _, after in steps(job_definitions.TABLE, events)]
    assert [row["deleted_at"] for row in rows] == [None, None, iso(7), None]


def test_an_unknown_event_is_no_silence() -> None:
    assert_unknown_is_no_silence(definition_events())
