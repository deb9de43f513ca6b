"""Lives of single runs, as in life: of which job, how large, how long they take, how they end.

What is assumed stands in the constants below and goes into the results of the benchmarks that use
it.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from random import Random
from uuid import UUID

import orjson

from benchmarks.growth.jobs import JOBS, Job, made_up_jobs
from benchmarks.growth.stories import (
    DURATION_S,
    FOLLOWED,
    STORIES,
    WAIT_S,
    Change,
    Life,
    Step,
    Subject,
    iso,
)
from catalog.built_in_jobs import BUILD_SLUG, SPECS
from catalog.repository import repository_id
from domain.identifiers import run_id_for_key, uuid7
from domain.jobs.launching import Launch, concurrency_value
from domain.json_values import Json, JsonObject

KINDS: dict[str, int] = {
    "succeeded": 8_900,
    "succeeded with progress": 300,
    "succeeded at the second attempt": 150,
    "failed": 300,
    "canceled": 150,
    "expired": 60,
    "start deadline passed": 40,
    "waiting for their time": 100,
}
"""How many of ten thousand runs end in which way, or have not begun."""

RUNNING, DUE = 40, 30
"""The newest runs of all, at every size: a service has its number of slots, and keeps up."""

APPS, WORKERS = 50, 20

KEYED, WITH_CONTEXT = 0.15, 0.2
"""Shares of runs with an idempotency key, whose ids are in no order, and of those with a
context."""

MEDIAN_BYTES, SIGMA, MOST_BYTES = 160, 1.1, 16_384
"""Sizes of parameters, log-normal."""

PARAMETERS = 1_000
"""Different contents of parameters; each run adds a number of its own."""

DAY_MS = 86_400_000

_KIND_NAMES = list(KINDS)

_WORDS = (
    "orders",
    "invoice",
    "eu-west-1",
    "nightly",
    "customer",
    "shipment",
    "2026-11-24",
    "retry",
    "ledger",
    "cache",
)


def assumed() -> JsonObject:
    """Return what is assumed of life, for the results."""
    return {
        "kinds_in_ten_thousand": {**KINDS},
        "running": RUNNING,
        "due": DUE,
        "jobs, by 1 / rank": JOBS,
        "apps": APPS,
        "with_idempotency_key": KEYED,
        "with_context": WITH_CONTEXT,
        "parameters_bytes": {"median": MEDIAN_BYTES, "sigma": SIGMA, "most": MOST_BYTES},
        "wait_s_mean": WAIT_S,
        "duration_s_median": DURATION_S,
    }


@dataclass
class Author:
    """Makes up jobs, apps and runs.

    Attributes:
        runs: how many there will be: the newest are still under way.
        pending_share: of all runs, how many wait and are due, whatever `KINDS` says; the others
            live as usual.
    """

    random: Random
    runs: int
    pending_share: float = 0.0
    jobs: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jobs = made_up_jobs()
        self._weights = list(accumulate(1 / (rank + 1) for rank in range(len(self.jobs))))
        self._kind_weights = list(accumulate(KINDS.values()))
        self._parameters = [self._made_up() for _ in range(PARAMETERS)]
        self._builds: dict[UUID, Subject] = {}

    def catalog(self, at_ms: int) -> Iterator[Step]:
        """Yield the jobs and apps."""
        for job in self.jobs:
            subject = Subject("job_definition", job.id, self._uuid(at_ms))
            state: JsonObject = {
                "originator_topic": "job_definition",
                "slug": job.slug,
                "version": 1,
                "spec": asdict(job.spec),
            }
            registered = Change(subject, "job_definition.registered", "admin", state)
            yield Step(at_ms, [registered])
        for app in (f"app-{number:02}" for number in range(APPS)):
            subject = Subject("repository", repository_id(app), self._uuid(at_ms))
            added: JsonObject = {
                "originator_topic": "repository",
                "repository_id": app,
                "name": app.title(),
                "description": "An app of the catalog",
                "repo_url": f"https://git.example/{app}.git",
                "dockerfile_path": "Dockerfile",
                "tags": [{"key": "language", "value": "python"}],
            }
            yield Step(at_ms, [Change(subject, "repository.added", "admin", added)])

    def run(self, number: int, at_ms: int) -> list[Step]:
        """Return the life of the run with this number."""
        kind = self._kind(number)
        [job] = self.random.choices(self.jobs, cum_weights=self._weights)
        life = Life(self.random, kind, at_ms, self._worker())
        steps = STORIES[kind](life, self._requested(number, job, life))
        if job.slug == BUILD_SLUG:
            self._add_build(life, steps)
        return steps

    def _kind(self, number: int) -> str:
        newest = self.runs - number
        if newest <= DUE or self.random.random() < self.pending_share:
            return "due"
        if newest <= DUE + RUNNING:
            return "running"
        [kind] = self.random.choices(_KIND_NAMES, cum_weights=self._kind_weights)
        return kind

    def _requested(self, number: int, job: Job, life: "Life") -> Change:
        keyed = self.random.random() < KEYED
        key = f"order-{number}" if keyed else None
        actor = f"client-{self.random.randrange(10)}"
        run_id = run_id_for_key(actor, job.slug, key) if key else self._uuid(life.at_ms)
        parameters: JsonObject = {"number": number, **self.random.choice(self._parameters)}
        if job.slug in SPECS:
            parameters = {"repositoryId": f"app-{number % APPS:02}"}
            if job.slug == BUILD_SLUG:
                parameters["buildId"] = str(self._uuid(life.at_ms))
        life.subject = Subject("job_run", run_id, self._uuid(life.at_ms))
        scheduled_ms = life.at_ms
        if life.kind == "waiting for their time":
            # A month ahead of the end, so that none of them is due when it is looked at.
            scheduled_ms += 130 * DAY_MS + self.random.randrange(30 * DAY_MS)
        deadline_ms = scheduled_ms + 60_000 if life.kind == "start deadline passed" else None
        state: JsonObject = {
            "originator_topic": "job_run",
            "definition_id": str(job.id),
            "definition_version": 1,
            "slug": job.slug,
            "entry_point": job.spec.entry_point,
            "parameters": parameters,
            "context": {"from": "scheduler"} if self.random.random() < WITH_CONTEXT else None,
            "timeout_ms": job.spec.timeout_ms,
            "max_attempts": job.max_attempts,
            "retry_policy": job.spec.retry_policy,
            "priority": job.spec.priority,
            "scheduled_at": iso(scheduled_ms),
            "start_deadline_at": None if deadline_ms is None else iso(deadline_ms),
            "concurrency_value": concurrency_value(job.spec, parameters),
            "idempotency_key": key,
            "request_digest": Launch().digest if keyed else None,
            "requested_by": actor,
        }
        return Change(life.subject, "job_run.requested", actor, state)

    def _add_build(self, life: "Life", steps: list[Step]) -> None:
        """Let a build follow its run."""
        parameters = steps[0].changes[0].state["parameters"]
        assert isinstance(parameters, dict)
        build = Subject("build", UUID(str(parameters["buildId"])), life.subject.correlation_id)
        run_id = str(life.subject.id)
        wanted: JsonObject = dict.fromkeys(("git_branch", "git_ref", "commit_sha", "retry_of"))
        first: JsonObject = {
            "originator_topic": "build",
            "repository_id": parameters["repositoryId"],
            "run_id": run_id,
        }
        steps[0].changes.append(
            Change(build, "build.requested", steps[0].changes[0].actor, {**first, **wanted})
        )
        for step in steps[1:]:
            [change] = step.changes
            followed = FOLLOWED.get(change.topic)
            if followed is not None:
                topic, state = followed
                shown: JsonObject = (
                    {**state, "run_id": run_id} if topic == "build.started" else state
                )
                step.changes.append(Change(build, topic, change.actor, shown))

    def _made_up(self) -> JsonObject:
        size = min(int(self.random.lognormvariate(0, SIGMA) * MEDIAN_BYTES), MOST_BYTES)
        made: JsonObject = {}
        while len(orjson.dumps(made)) < size:
            value: Json = [self.random.choice(_WORDS) for _ in range(self.random.randrange(1, 8))]
            made[f"field_{len(made)}"] = value
        return made

    def _uuid(self, at_ms: int) -> UUID:
        return uuid7(at_ms * 1000, self.random.randbytes(8))

    def _worker(self) -> str:
        return f"worker-{self.random.randrange(WORKERS)}"
