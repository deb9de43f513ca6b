"""What becomes of a tick that is due: launched, skipped or buffered. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from domain.clock import later
from domain.schedules.calendar import Tick
from domain.schedules.spec import Spec

Obstacle = Literal["job_deleted", "invalid_parameters", "job_paused"]
"""Why nothing is launched: the job is gone, no longer takes the schedule's parameters, or is paused
itself."""

SkipReason = Literal[
    "paused",
    "deleted",
    "excluded",
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
"""Runs of a schedule that have not ended: each is looked at when its next tick is decided. So many
may be its ticks', and as many may be those that people launched."""


@dataclass(frozen=True)
class Situation:
    """What stands in a tick's way.

    Attributes:
        watched_since: from when on the clock has been looked at until now.
        is_paused: whether the schedule is.
        obstacle: to every launch.
        open_runs: how many runs that its ticks launched are pending or running.
        buffered: how many ticks wait already.
        is_kept: whether another run is kept instead of a new one, as runs of the job are unique.
    """

    watched_since: datetime
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
    """Return why a tick is skipped whatever runs, what holds for all of a time first."""
    reason = hindrance_of_all(situation)
    if reason is not None:
        return reason
    if tick.fires_at < missed_before(spec, situation.watched_since):
        return "missed"
    if tick.is_excluded:
        return "excluded"
    return None


def hindrance_of_all(situation: Situation) -> SkipReason | None:
    """Return why whatever is due is skipped, if anything stands in the way of all ticks."""
    if situation.is_paused:
        return "paused"
    return situation.obstacle


def missed_before(spec: Spec, watched_since: datetime) -> datetime:
    """Return before when a tick must have fired to be missed.

    How late those are who look at the clock is no matter: only for how long nobody did.
    """
    return later(watched_since, -spec.catch_up_ms)


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
