"""Random commands of clients and workers: after each, the service is what the model says.

Tables, log, and a stream that was resumed agree with it, too.
"""

import os
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from domain.errors import ConflictError, StaleExecutionError
from domain.jobs.run_events import AttemptFailure, Holder, Report
from tests.model.machine import WORKERS, Machine
from tests.model.model import Run
from tests.model.service import running
from tests.support.slow import slow

EXAMPLES = int(os.environ.get("APPHUB_MODEL_EXAMPLES", "5"))
"""`make model` has more."""

MANY = 20
"""Those of `make test-slow`."""

STEPS = 30

choices = st.integers(0, 1_000)


class Commands(Machine):
    """Commands, as clients and workers give them."""

    # Clients ------------------------------------------------------------------------------------

    @rule(job=choices, key=st.sampled_from("ab"), priority=st.integers(-1, 1), attempts=choices)
    def launch(self, job: int, key: str, priority: int, attempts: int) -> None:
        job_ = self._pick(list(self.model.jobs.values()), job)
        body = {"parameters": {"key": key}, "priority": priority, "maxAttempts": 1 + attempts % 3}
        run = self._launch(job_, body, str(uuid4()))
        rank = (run["scheduledAt"], run["id"])
        most = 1 + attempts % 3
        self.model.runs[run["id"]] = Run(run["id"], job_, key, priority, most, rank)

    @precondition(lambda self: self.keys)
    @rule(choice=choices)
    def launch_again_under_the_same_key(self, choice: int) -> None:
        key = self._pick(list(self.keys), choice)
        run = self.model.runs[self.keys[key]]
        body = {
            "parameters": {"key": run.key},
            "priority": run.priority,
            "maxAttempts": run.most_attempts,
        }
        assert self._launch(run.job, body, key)["id"] == run.id

    @precondition(lambda self: self.model.runs)
    @rule(choice=choices)
    def cancel(self, choice: int) -> None:
        run = self._pick(list(self.model.runs.values()), choice)
        expected = self.model.cancel(run)
        answer = self.service.http.post(f"/job-runs/{run.id}/cancel")
        assert answer.status_code in {expected, expected + 2}, answer.text

    @rule(limit=st.sampled_from((1, 2, 3)))
    def revise_a_limit(self, limit: int) -> None:
        job = next(job for job in self.model.jobs.values() if job.limit is not None)
        if job.limit != limit:
            answer = self.service.http.patch(f"/jobs/{job.slug}", json={"maxConcurrentRuns": limit})
            assert answer.is_success, answer.text
            job.version += 1
        job.limit = limit

    @rule(choice=choices, paused=st.booleans())
    def pause_or_resume(self, choice: int, *, paused: bool) -> None:
        job = self._pick(list(self.model.jobs.values()), choice)
        verb = "pause" if paused else "resume"
        answer = self.service.http.post(f"/jobs/{job.slug}/{verb}")
        assert answer.is_success, answer.text
        assert (answer.json()["data"]["paused"] is not None) == paused
        job.paused = paused

    @rule(choice=choices)
    def delete_and_register_again(self, choice: int) -> None:
        job = self._pick(list(self.model.jobs.values()), choice)
        answer = self.service.http.delete(f"/jobs/{job.slug}")
        if self.model.has_unfinished(job):
            assert answer.status_code == 409, answer.text
            return
        assert answer.status_code == 200, answer.text
        job.version += 1
        job.paused = False
        self._post(job)

    # Workers ------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(WORKERS), slots=st.integers(1, 4))
    def claim(self, name: str, slots: int) -> None:
        expected = self.model.claimable(slots)
        worker = self.workers[name]
        claims = self.service.do(self.service.part.executions.claim(worker, slots))
        assert [str(claim.run.id) for claim in claims] == [run.id for run in expected]
        for run, claim in zip(expected, claims, strict=True):
            self._start(run, claim)

    @precondition(lambda self: self.holders)
    @rule(choice=choices)
    def succeed(self, choice: int) -> None:
        run = self._held(choice)
        self._end(run, "succeed", {"done": True}, Report())
        run.note("succeeded", "succeeded")

    @precondition(lambda self: self.holders)
    @rule(choice=choices, permanent=st.booleans())
    def fail(self, choice: int, *, permanent: bool) -> None:
        run = self._held(choice)
        self._end(run, "fail", AttemptFailure("it broke", permanent=permanent), Report())
        if permanent and not run.cancel_requested:
            run.note("attempt_failed", "failed")
        else:
            run.end_attempt("attempt_failed", "failed")
        self._queue_anew(run)

    @precondition(lambda self: self.holders)
    @rule(choice=choices)
    def time_out(self, choice: int) -> None:
        run = self._held(choice)
        self._end(run, "time_out", Report())
        run.end_attempt("attempt_timed_out", "expired")
        self._queue_anew(run)

    @precondition(lambda self: self.holders)
    @rule(choice=choices)
    def hand_back(self, choice: int) -> None:
        run = self._held(choice)
        self._end(run, "hand_back")
        self.model.hand_back(run)

    @precondition(lambda self: self.holders)
    @rule(choice=choices)
    def confirm_a_cancel(self, choice: int) -> None:
        run = self._held(choice, keep=True)
        if not run.cancel_requested:
            with pytest.raises(ConflictError):
                self._end(run, "confirm_cancel", None, Report())
            return
        self._end(run, "confirm_cancel", None, Report())
        del self.holders[run.id]
        run.note("canceled", "canceled")

    @precondition(lambda self: self.holders)
    @rule(choice=choices)
    def progress(self, choice: int) -> None:
        run = self._held(choice, keep=True)
        self._end(run, "progress", Report(metrics={"steps": len(run.story)}))
        run.story.append("progressed")

    @precondition(lambda self: self.model.runs)
    @rule(choice=choices, execution=st.integers(0, 3))
    def speak_for_an_execution_that_is_not_ones_own(self, choice: int, execution: int) -> None:
        run = self._pick(list(self.model.runs.values()), choice)
        stranger = Holder(self.workers["one"], execution)
        if stranger == self.holders.get(run.id):
            return
        executions = self.service.part.executions
        with pytest.raises(StaleExecutionError):
            self.service.do(executions.succeed(UUID(run.id), stranger, None, Report()))

    @rule(name=st.sampled_from(WORKERS))
    def lose_a_worker(self, name: str) -> None:
        worker = self.workers[name]
        [(sequence,)] = self.service.query("SELECT sequence FROM workers WHERE id = %s", worker)
        self.service.do(self.service.part.sweeps.recover([(worker, sequence)], "tester"))
        lost = [run for run in self.model.runs.values() if run.worker == worker]
        self.model.lose(worker)
        for run in lost:
            del self.holders[run.id]
            self._queue_anew(run)
        self._hire(name)


@pytest.mark.timeout(60 + 20 * max(EXAMPLES, MANY))
@pytest.mark.parametrize("examples", [EXAMPLES, slow(MANY)])
def test_the_service_is_what_the_model_says(
    database_url: str, tmp_path: Path, examples: int
) -> None:
    with running(database_url, tmp_path / "data") as service:
        machine = type("TheMachine", (Commands,), {"service": service})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                deadline=None,
                # One service serves all examples, so none can be repeated to make it smaller.
                phases=[Phase.generate],
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
