"""What becomes of a tick that is due: launched, skipped or buffered. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from domain.clock import ms_between
from domain.schedules.calendar import Tick
from domain.schedules.spec import Spec

Obstacle = Literal["job_deleted", "invalid_parameters", "job_paused"]
"""Why nothing is launched: the job is gone, no longer takes the schedule's parameters, or is paused
itself."""

SkipReason = Literal[
    "excluded",
    "paused",
    "job_deleted",
    "invalid_parameters",
    "job_paused",
    "missed",
    "overlap",
    "buffer_full",
    "too_many_runs",
    "run_is_there",
]

MAX_BUFFERED = 100
"""Ticks that wait for a run to end; more are skipped. Each is a part of the schedule's row."""


MAX_OPEN_RUNS = 1_000
"""Runs of a schedule that have not ended: each is looked at when its next tick is decided."""


@dataclass(frozen=True)
class Situation:
    """What stands in a tick's way.

    Attributes:
        now: the database's present.
        is_paused: whether the schedule is.
        obstacle: to every launch.
        open_runs: how many runs of the schedule are pending or running.
        buffered: how many ticks wait already.
        is_kept: whether another run is kept instead of a new one, as runs of the job are unique.
    """

    now: datetime
    is_paused: bool
    obstacle: Obstacle | None
    open_runs: int
    buffered: int
    is_kept: bool = False


@dataclass(frozen=True)
class Verdict:
    """What becomes of a tick.

    Attributes:
        outcome: the tick's own.
        reason: why it is skipped; None where it is not.
        cancels: whether the runs of the schedule that have not ended are canceled for it.
        displaces: whether ticks that wait already are skipped for it.
    """

    outcome: Literal["launched", "skipped", "buffered"]
    reason: SkipReason | None = None
    cancels: bool = False
    displaces: bool = False


LAUNCHED = Verdict("launched")
BUFFERED = Verdict("buffered")


def verdict(spec: Spec, tick: Tick, situation: Situation) -> Verdict:
    """Return what becomes of a tick that is due."""
    reason = _hindrance(spec, tick, situation)
    if reason is not None:
        return _skipped(reason)
    decided = LAUNCHED
    if situation.open_runs >= MAX_OPEN_RUNS:
        return _skipped("too_many_runs")
    if situation.open_runs or situation.buffered:
        decided = _overlapping(spec, situation)
    if decided.outcome == "launched" and situation.is_kept:
        return _skipped("run_is_there")
    return decided


def _hindrance(spec: Spec, tick: Tick, situation: Situation) -> SkipReason | None:
    """Return why a tick is skipped whatever runs, the reason that would last longest first."""
    if tick.is_excluded:
        return "excluded"
    if situation.is_paused:
        return "paused"
    if situation.obstacle is not None:
        return situation.obstacle
    if ms_between(tick.fires_at, situation.now) > spec.catch_up_ms:
        return "missed"
    return None


def _overlapping(spec: Spec, situation: Situation) -> Verdict:
    """Return what becomes of a tick while a run has not ended, or others wait."""
    match spec.overlap:
        case "skip":
            return _skipped("overlap")
        case "buffer_one":
            return _skipped("overlap") if situation.buffered else BUFFERED
        case "buffer_all":
            is_full = situation.buffered >= MAX_BUFFERED
            return _skipped("buffer_full") if is_full else BUFFERED
        case "cancel_other":
            # Its run starts once the others have really stopped.
            return Verdict("buffered", cancels=True, displaces=True)
        case "terminate_other":
            # Its run need not wait for that. Both end in the same way: a run's process is killed
            # where it does not stop by itself.
            return Verdict("launched", cancels=True, displaces=True)
        case "allow_all":
            return LAUNCHED


def _skipped(reason: SkipReason) -> Verdict:
    return Verdict("skipped", reason)
