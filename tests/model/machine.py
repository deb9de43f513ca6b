"""A machine beside its model: what it holds, how it speaks to the service, and what must agree."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
from hypothesis.stateful import RuleBasedStateMachine, invariant

from domain.commands.executions import Claim
from domain.jobs.run_events import AttemptFailure, Holder, Report
from eventlog.rebuild.verify import verify
from projections.tables import TABLES
from tests.model.model import FINAL, Job, Model, Run
from tests.model.service import Service

WORKERS = ("one", "two", "three")

HEAD = "SELECT coalesce(max(notification_id), 0) FROM jobs_events"

RUNS = "SELECT id::text, status, attempt FROM job_runs WHERE slug = ANY(%s)"

STORIES = """
    SELECT originator_id::text, array_agg(topic ORDER BY originator_version)
    FROM jobs_events WHERE originator_id = ANY(%s) GROUP BY originator_id
"""

LIMITS = (None, 1, 2)


class Machine(RuleBasedStateMachine):
    """A service and its model; whatever waited before this machine has ended."""

    service: Service

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.holders: dict[str, Holder] = {}
        self.workers: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        for name in WORKERS:
            self._hire(name)
        for limit in LIMITS:
            self._register(limit, keyed=False)
        self._register(None, keyed=True)

    # What holds after each step -----------------------------------------------------------------

    @invariant()
    def tables_log_and_stream_are_as_the_model(self) -> None:
        seen = {run.id: run.seen for run in self.model.runs.values()}
        rows = self.service.query(RUNS, list(self.model.jobs))
        assert {run_id: (status, attempt) for run_id, status, attempt in rows} == seen
        stories = dict(self.service.query(STORIES, [UUID(run_id) for run_id in self.model.runs]))
        for run in self.model.runs.values():
            assert stories[run.id] == [f"job_run.{word}" for word in run.story]
        [(head,)] = self.service.query(HEAD)
        self.service.resume(head)
        notified = {run_id: self.service.notified[run_id] for run_id in self.model.runs}
        assert notified == {run.id: run.status for run in self.model.runs.values()}

    def teardown(self) -> None:
        """Compare the tables with the log; end what has not ended, for the next begins alone."""
        assert self.service.do(self._differences()) == 0
        for run_id in list(self.holders):
            over = AttemptFailure("over", permanent=True)
            self._end(self.model.runs[run_id], "fail", over, Report())
        for run in self.model.runs.values():
            if run.status not in FINAL:
                self.service.http.post(f"/job-runs/{run.id}/cancel")

    # How it is done -----------------------------------------------------------------------------

    async def _differences(self) -> int:
        database = self.service.part.writer.database
        checked = await verify(database, TABLES, lambda _: None, lambda *_: None)
        return sum(table.differences for table in checked)

    def _hire(self, name: str) -> None:
        self.workers[name] = f"{name}-{uuid4()}"
        self.service.do(self.service.part.worker(self.workers[name], lease_ms=3_600_000))

    def _register(self, limit: int | None, *, keyed: bool) -> None:
        job = Job(f"job-{uuid4()}", limit, keyed)
        self._post(job)
        self.model.jobs[job.slug] = job

    def _post(self, job: Job) -> None:
        """Register the job as the model has it."""
        body: dict[str, Any] = {
            "slug": job.slug,
            "name": "A job",
            "type": "batch",
            "entryPoint": "test.nothing",
            "concurrencyKey": "key" if job.keyed else None,
            "maxConcurrentRuns": job.limit,
        }
        sent = {name: value for name, value in body.items() if value is not None}
        answer = self.service.http.post("/jobs", json=sent)
        assert answer.status_code == httpx.codes.CREATED
        assert answer.json()["data"]["version"] == job.version

    def _launch(self, job: Job, body: dict[str, Any], key: str) -> dict[str, Any]:
        answer = self.service.http.post(
            f"/jobs/{job.slug}/run", json=body, headers={"Idempotency-Key": key}
        )
        assert answer.is_success, answer.text
        run: dict[str, Any] = answer.json()["data"]
        self.keys[key] = run["id"]
        return run

    def _start(self, run: Run, claim: Claim) -> None:
        self.model.start(run, claim.holder.worker_id)
        self.holders[run.id] = claim.holder
        assert claim.holder.execution == run.execution

    def _held(self, choice: int, *, keep: bool = False) -> Run:
        """Return a run that somebody holds; its holder speaks for the last time, unless kept."""
        run = self.model.runs[self._pick(list(self.holders), choice)]
        self._speaking = self.holders[run.id]
        if not keep:
            del self.holders[run.id]
        return run

    def _end(self, run: Run, command: str, *arguments: object) -> None:
        holder = self.holders.get(run.id) or self._speaking
        act: Callable[..., Any] = getattr(self.service.part.executions, command)
        self.service.do(act(UUID(run.id), holder, *arguments))

    def _queue_anew(self, run: Run) -> None:
        """A retry waits from the moment when the attempt ended."""
        if run.status == "pending":
            answer = self.service.http.get(f"/job-runs/{run.id}").raise_for_status()
            run.queue_order = (answer.json()["data"]["run"]["scheduledAt"], run.id)

    @staticmethod
    def _pick(of: list[Any], choice: int) -> Any:
        return of[choice % len(of)]
