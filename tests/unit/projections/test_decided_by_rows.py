"""A row decides as the history does: whatever has happened, and whatever is asked for then."""

from collections.abc import Callable
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from domain.jobs.definition import JobDefinition, JobSpec
from domain.jobs.run import JobRun
from domain.jobs.run_events import AttemptFailure, Holder, Report
from domain.state import rehydrate
from projections import job_definitions, job_runs
from tests.unit.given import NOON, START_DEADLINE_MS, WORKER, a_run, at, half
from tests.unit.projections.both import JSON, TEXTS, Both, Command, check

REPORTS = st.builds(Report, JSON, JSON, st.none() | st.just("https://logs"))


# Runs ---------------------------------------------------------------------------------------------


def by_holder(act: Callable[[JobRun, Holder, datetime], object]) -> Command:
    def command(run: JobRun, now: datetime) -> object:
        holder = run.holder or Holder(WORKER, run.execution)
        return act(run, holder, now)

    return command


def _of_report(report: Report, text: str, *, yes: bool) -> st.SearchStrategy[Command]:
    failure = AttemptFailure(text, permanent=yes, retry_after_ms=5 if text else None)
    acts: list[Command] = [
        lambda run, now: run.start(WORKER, now),
        lambda run, now: run.request_cancel(now, text or None),
        lambda run, now: run.expire_start(now),
        by_holder(lambda run, held, now: run.progress(held, now, report)),
        by_holder(lambda run, held, now: run.succeed(held, now, {"x": text}, report)),
        by_holder(lambda run, held, now: run.fail(held, now, failure, report, half)),
        by_holder(lambda run, held, now: run.time_out(held, now, report, half)),
        by_holder(lambda run, held, now: run.expire(held, now, text, report)),
        by_holder(lambda run, held, now: run.lose(held, now, text, half)),
        by_holder(lambda run, held, now: run.hand_back(held, now)),
        by_holder(
            lambda run, held, now: run.confirm_cancel(
                held, now, text or None, report, by_handler=yes
            )
        ),
    ]
    return st.sampled_from(acts)


RUN_COMMANDS = st.tuples(REPORTS, TEXTS, st.booleans()).flatmap(
    lambda drawn: _of_report(drawn[0], drawn[1], yes=drawn[2])
)

RUNS = st.builds(
    a_run,
    parameters=JSON,
    context=st.none() | JSON,
    timeout_ms=st.none() | st.just(1_000),
    max_attempts=st.integers(1, 4),
    retry_policy=st.sampled_from(
        [
            None,
            {},
            {"strategy": "fixed", "initialDelayMs": 7},
            {"strategy": "exponential", "jitter": "full", "maxDelayMs": 900},
        ]
    ),
    start_deadline_at=st.none() | st.just(at(3_000)) | st.just(at(START_DEADLINE_MS)),
    request_digest=st.none() | st.just("0" * 64),
    priority=st.integers(-1, 1),
)


@given(run=RUNS, commands=st.lists(RUN_COMMANDS, max_size=12))
def test_a_run_decides_by_its_row_as_by_its_history(run: JobRun, commands: list[Command]) -> None:
    check(Both(run), job_runs.TABLE, commands)


def test_a_row_with_personal_data_tells_whose_they_are_and_what_is_gone() -> None:
    both = Both(a_run(parameters={"name": "anna"}))
    both.append(job_runs.TABLE)
    personal = {"11111111-1111-1111-1111-111111111111": ["name"]}
    row = {**(both.row or {}), "personal": personal, "erased": ["name"]}
    run = rehydrate(JobRun, both.folded.id, row)
    assert (run.personal, run.erased) == (personal, ["name"])


# Definitions --------------------------------------------------------------------------------------

CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from("ab"),
        "timeout_ms": st.none() | st.just(2_000),
        "metadata": st.none() | JSON,
        "default_parameters": JSON,
        "parameters_schema": st.sampled_from(
            [{}, {"type": "object"}, {"type": 7}, {"properties": {"a": {}}}]
        ),
        "retry_policy": st.none() | st.just({"maxAttempts": 3}),
        "max_concurrent_runs": st.none() | st.integers(1, 2),
        "concurrency_limit": st.integers(1, 2),
        "worker_labels": st.sampled_from([{}, {"gpu": "a100"}]),
        "rate_limit": st.none() | st.just({"limit": 1, "periodMs": 1}),
        "retention": st.none() | st.just({"succeededMs": 1}),
        "fairness_key": st.none() | st.just("tenant"),
        "isolation": st.sampled_from(["process", "shared"]),
        "unique_runs": st.none() | st.just({"key": ["a"], "until": "end", "onConflict": "keep"}),
        "priority": st.integers(-1, 1),
    },
)

REVISIONS = st.tuples(CHANGES, st.none() | st.integers(1, 9)).map(
    lambda drawn: lambda definition, now: definition.revise(drawn[0], drawn[1], now)
)


SPEC = JobSpec(name="Report", type="batch", entry_point="test.report")

CHANGES_OF_LIFE = st.sampled_from(
    [
        lambda definition, now: definition.pause("ada", "why", now),
        lambda definition, now: definition.resume(now),
        lambda definition, now: definition.delete(now, has_unfinished_runs=False),
        lambda definition, now: definition.register_again("Report", SPEC, None, now),
    ]
)


@given(commands=st.lists(REVISIONS | CHANGES_OF_LIFE, max_size=6))
def test_a_definition_decides_by_its_row_as_by_its_history(commands: list[Command]) -> None:
    definition = JobDefinition.register("Report", SPEC, 1, NOON)
    check(Both(definition), job_definitions.TABLE, commands)
