"""Stories of single runs: which events they have, and when, from their request to their end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from uuid import UUID

from domain.json_values import Json, JsonObject
from domain.ports import Row

WAIT_S, DURATION_S = 2.0, 20.0
"""How long runs wait (mean) and run (median)."""


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
        failed.changes[0].state["retry_at"] = (
            None if retry_ms is None else iso(self.at_ms + retry_ms)
        )
        return failed

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


def _timed_out(life: Life) -> Step:
    why: JsonObject = {
        "error_message": "the attempt ran past its timeoutMs",
        "failure_reason": "execution_timeout",
    }
    return life.report("attempt_timed_out", attempt=1, **why, retry_at=None)


def _deadline_passed(life: Life) -> Step:
    life.after(60)
    return life.step("start_deadline_passed", {}, "system")


STORIES: dict[str, _Story] = {
    "succeeded": _from_start(Life.start, Life.succeed),
    "succeeded with progress": _from_start(
        Life.start, lambda life: life.report("progressed"), Life.succeed
    ),
    "succeeded at the second attempt": _from_start(
        Life.start, lambda life: life.fail(1, 1_000), lambda life: life.start(2), Life.succeed
    ),
    "failed": _from_start(Life.start, lambda life: life.fail(1, None)),
    "canceled": _from_start(_canceled),
    "expired": _from_start(Life.start, _timed_out),
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
