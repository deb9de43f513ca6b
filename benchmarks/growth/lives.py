"""Lives of single runs, as in life: of which job, how large, how long they take, how they end.

What is assumed stands in the constants below and goes into the results of the benchmarks that use
it.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from random import Random
from uuid import UUID

import orjson

from catalog.built_in_jobs import BUILD_SLUG, SPECS
from catalog.repository import repository_id
from domain.identifiers import definition_id, run_id_for_key, uuid7
from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch, concurrency_value
from domain.json_values import Json, JsonObject
from domain.ports import Row

JOBS = 100

RETRY_MS = 1_000

WAIT_S, DURATION_S = 2.0, 20.0
"""How long runs wait (mean) and run (median)."""


@dataclass(frozen=True)
class Job:
    """A definition."""

    id: UUID
    slug: str
    spec: JobSpec
    max_attempts: int


def made_up_jobs() -> list[Job]:
    """Return all jobs, the most frequent first; the built-in ones come third and fourth."""
    specs = {f"job-{number:03}": _spec(number) for number in range(JOBS - len(SPECS))}
    slugs = [*list(specs)[:2], *SPECS, *list(specs)[2:]]
    specs |= SPECS
    return [Job(definition_id(slug), slug, specs[slug], specs[slug].max_attempts) for slug in slugs]


_PRIORITIES = (0, 0, 0, 5, -5)
_LIMITED = range(7, JOBS, 20)
_KEYED = range(3, JOBS, 10)


def _spec(number: int) -> JobSpec:
    return JobSpec(
        name=f"Job number {number}",
        type="batch",
        entry_point=f"example.handler_{number}",
        timeout_ms=60_000,
        retry_policy={"maxAttempts": 2, "strategy": "fixed", "initialDelayMs": RETRY_MS},
        priority=_PRIORITIES[number % 5],
        max_concurrent_runs=50 if number in _LIMITED else None,
        concurrency_key="field_0" if number in _KEYED else None,
    )


def iso(at_ms: int) -> str:
    """Return the time as the log writes it; millions of them are written."""
    seconds, ms = divmod(at_ms, 1_000)
    minutes, second = divmod(seconds, 60)
    return f"{_minute(minutes)}:{second:02}.{ms:03}Z"


@lru_cache(maxsize=4_096)
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * 60, UTC).strftime("%Y-%m-%dT%H:%M")


@dataclass(eq=False, slots=True)
class Subject:
    """An aggregate as it grows.

    Attributes:
        words: both ids as text.
    """

    kind: str
    id: UUID
    correlation_id: UUID
    version: int = 0
    row: Row | None = None
    words: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        self.words = (str(self.id), str(self.correlation_id))


@dataclass(slots=True)
class Change:
    """One event, but for its time, version and position."""

    subject: Subject
    topic: str
    actor: str
    state: JsonObject


@dataclass(slots=True)
class Step:
    """What happens at one moment."""

    at_ms: int
    changes: list[Change]


@dataclass(slots=True)
class Life:
    """A run in the making; its moments follow each other."""

    random: Random
    kind: str
    at_ms: int
    worker_id: str
    execution: int = 0
    subject: Subject = field(default_factory=lambda: Subject("", UUID(int=0), UUID(int=0)))

    def after(self, seconds: float) -> None:
        self.at_ms += 1 + int(seconds * 1_000)

    def step(self, topic: str, state: JsonObject, actor: str | None = None) -> Step:
        change = Change(
            self.subject, f"job_run.{topic}", actor or f"worker:{self.worker_id}", state
        )
        return Step(self.at_ms, [change])

    def start(self, attempt: int = 1) -> Step:
        self.after(self.random.expovariate(1 / WAIT_S))
        self.execution += 1
        return self.step("started", {**self.held(), "attempt": attempt})

    def held(self) -> JsonObject:
        return {"worker_id": self.worker_id, "execution": self.execution}

    def report(self, topic: str, **more: Json) -> Step:
        self.after(self.random.lognormvariate(0, 1) * DURATION_S)
        metrics: JsonObject = {
            "rows": self.random.randrange(100_000),
            "seconds": round(self.random.random() * 60, 3),
        }
        report: JsonObject = {"metrics": metrics, "context": {}, "logs_url": None}
        return self.step(topic, {**self.held(), **report, **more})

    def fail(self, attempt: int, retry_ms: int | None) -> Step:
        why: JsonObject = {"error_message": "the upstream answered 503", "failure_reason": "error"}
        failed = self.report("attempt_failed", attempt=attempt, **why, retry_at=None)
        return self._retry(failed, retry_ms)

    def time_out(self, attempt: int, retry_ms: int | None) -> Step:
        why: JsonObject = {
            "error_message": "the attempt ran past its timeoutMs",
            "failure_reason": "execution_timeout",
        }
        timed_out = self.report("attempt_timed_out", attempt=attempt, **why, retry_at=None)
        return self._retry(timed_out, retry_ms)

    def _retry(self, ended: Step, retry_ms: int | None) -> Step:
        """Let the next attempt begin no earlier than it is due."""
        if retry_ms is not None:
            self.at_ms += retry_ms
            ended.changes[0].state["retry_at"] = iso(self.at_ms)
        return ended

    def succeed(self) -> Step:
        return self.report(
            "succeeded", result={"written": self.random.randrange(10_000), "ok": True}
        )


_Story = Callable[[Life, Change], list[Step]]


def _from_start(*rest: Callable[[Life], Step]) -> _Story:
    return lambda life, requested: [Step(life.at_ms, [requested]), *(act(life) for act in rest)]


def _canceled(life: Life) -> Step:
    life.after(life.random.expovariate(1 / WAIT_S))
    nobody: JsonObject = {
        "worker_id": None,
        "execution": None,
        "metrics": {},
        "context": {},
        "logs_url": None,
    }
    return life.step(
        "canceled", {"reason": "no longer needed", "failure_reason": None, **nobody}, "client-1"
    )


def _expired(life: Life, requested: Change) -> list[Step]:
    """A run whose attempts all take too long; no attempt that is left is given up."""
    steps = [Step(life.at_ms, [requested])]
    attempts = requested.state["max_attempts"]
    assert isinstance(attempts, int)
    for attempt in range(1, attempts + 1):
        steps += [
            life.start(attempt),
            life.time_out(attempt, RETRY_MS if attempt < attempts else None),
        ]
    return steps


def _deadline_passed(life: Life) -> Step:
    life.after(60)
    return life.step("start_deadline_passed", {}, "system")


STORIES: dict[str, _Story] = {
    "succeeded": _from_start(Life.start, Life.succeed),
    "succeeded with progress": _from_start(
        Life.start, lambda life: life.report("progressed"), Life.succeed
    ),
    "succeeded at the second attempt": _from_start(
        Life.start, lambda life: life.fail(1, RETRY_MS), lambda life: life.start(2), Life.succeed
    ),
    "failed": _from_start(Life.start, lambda life: life.fail(1, None)),
    "canceled": _from_start(_canceled),
    "expired": _expired,
    "start deadline passed": _from_start(_deadline_passed),
    "waiting for their time": _from_start(),
    "due": _from_start(),
    "running": _from_start(Life.start),
}

_SHA = "0123456789abcdef0123456789abcdef01234567"

FOLLOWED: dict[str, tuple[str, JsonObject]] = {
    "job_run.started": ("build.started", {"attempt": 1}),
    "job_run.succeeded": (
        "build.succeeded",
        {
            "commit_sha": _SHA,
            "git_branch": "main",
            "image_tag": f"app:{_SHA[:12]}",
            "image_digest": None,
        },
    ),
    "job_run.attempt_failed": ("build.failed", {"error": "the upstream answered 503"}),
    "job_run.attempt_timed_out": ("build.failed", {"error": "the attempt ran past its timeoutMs"}),
    "job_run.start_deadline_passed": (
        "build.failed",
        {"error": "the run had not started by its start deadline"},
    ),
    "job_run.canceled": ("build.canceled", {"error": "no longer needed"}),
}


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

MEDIAN_BYTES, SIGMA, MAX_BYTES = 160, 1.1, 16_384
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
        "parameters_bytes": {"median": MEDIAN_BYTES, "sigma": SIGMA, "most": MAX_BYTES},
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
        if kind == "succeeded at the second attempt" and job.max_attempts == 1:
            kind = "succeeded"
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
        request: JsonObject = dict.fromkeys(("git_branch", "git_ref", "commit_sha", "retry_of"))
        first: JsonObject = {
            "originator_topic": "build",
            "repository_id": parameters["repositoryId"],
            "run_id": run_id,
        }
        steps[0].changes.append(
            Change(build, "build.requested", steps[0].changes[0].actor, {**first, **request})
        )
        for step in steps[1:]:
            [change] = step.changes
            followed = FOLLOWED.get(change.topic)
            if followed is not None:
                topic, state = followed
                of_build: JsonObject = (
                    {**state, "run_id": run_id} if topic == "build.started" else state
                )
                step.changes.append(Change(build, topic, change.actor, of_build))

    def _made_up(self) -> JsonObject:
        size = min(int(self.random.lognormvariate(0, SIGMA) * MEDIAN_BYTES), MAX_BYTES)
        made: JsonObject = {}
        while len(orjson.dumps(made)) < size:
            value: Json = [self.random.choice(_WORDS) for _ in range(self.random.randrange(1, 8))]
            made[f"field_{len(made)}"] = value
        return made

    def _uuid(self, at_ms: int) -> UUID:
        return uuid7(at_ms * 1000, self.random.randbytes(8))

    def _worker(self) -> str:
        return f"worker-{self.random.randrange(WORKERS)}"
