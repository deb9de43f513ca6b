"""How much processor time each process of a path takes, and how idle the cores are, by /proc.

All parts are of the same seconds, and in microseconds for each launch or run that was counted in
them. Ours, the references and the peers are measured by this alone.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import psycopg

API = "API"

WORKER = "worker"

HANDLERS = "handlers"
"""All processes that a worker has started."""

POSTGRESQL = "PostgreSQL"

ALL = "all four"

REST = "the rest"
"""The load, and whatever else the machine does."""

A_SECOND = "a second"

IDLE = "idle"
"""The share of the time in which the cores had nothing to do."""

MEASURED = (API, WORKER, HANDLERS, POSTGRESQL)

CORES = "cores"
"""All the time that there was, of all of them."""

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Used:
    """What a process has used of the processors, in ticks.

    Attributes:
        own: user and system time.
        ended: of its children that have ended, and of theirs.
    """

    parent: int
    own: int
    ended: int


def processes() -> dict[int, Used]:
    """Return all processes there are, by their numbers."""
    by_pid: dict[int, Used] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = file.read_text()
        except OSError:  # It has ended.
            continue
        fields = text.rpartition(")")[2].split()
        user, system, ended_user, ended_system = map(int, fields[11:15])
        by_pid[int(file.parent.name)] = Used(
            int(fields[1]), user + system, ended_user + ended_system
        )
    return by_pid


def tree_ticks(all_: Mapping[int, Used], pid: int) -> int:
    """Return what a process and all below it have used; nothing, where it is not here."""
    tree = [pid] if pid in all_ else []
    for above in tree:
        tree += [child for child, used in all_.items() if used.parent == above]
    return sum(all_[each].own + all_[each].ended for each in tree)


def tree_s(pid: int) -> float:
    """Return the processor time of a process and all below it, in seconds."""
    return tree_ticks(processes(), pid) / TICKS_A_SECOND


def server_pid(connection: psycopg.Connection) -> int:
    """Return the process that has started this session's, on this machine; 0 if it is elsewhere."""
    backend = processes().get(connection.info.backend_pid)
    return 0 if backend is None else backend.parent


class Meter:
    """Counts processor time from now on.

    Attributes:
        session: to count with what was done; what its process uses does not count.
    """

    def __init__(self, session: psycopg.Connection, pids: Mapping[str, int]) -> None:
        self.session = session
        self._pids = pids
        self._server_pid = server_pid(session)
        self._before = self._now()

    def restart(self) -> None:
        """Count from now on."""
        self._before = self._now()

    def read(self, done: float) -> dict[str, float]:
        """Return how many were done a second, the microseconds of each by process, and idleness."""
        now = self._now()
        took = {name: now[name] - self._before[name] for name in now}
        cores_s, idle_s, seconds = took.pop(CORES), took.pop(IDLE), took.pop(A_SECOND)
        us = {name: 1e6 * used_s / done for name, used_s in took.items()}
        return {A_SECOND: done / seconds, **us, IDLE: idle_s / cores_s if cores_s else 0.0}

    def _now(self) -> dict[str, float]:
        """Return seconds by process, and of the cores; and the time."""
        all_ = processes()
        ticks = dict.fromkeys(MEASURED, 0)
        for name, pid in self._pids.items():
            ticks[name] = tree_ticks(all_, pid)
        if (worker := all_.get(self._pids.get(WORKER, 0))) is not None:
            ticks[HANDLERS] = ticks[WORKER] - worker.own
            ticks[WORKER] = worker.own
        looking = all_.get(self._session_pid)
        ticks[POSTGRESQL] = tree_ticks(all_, self._server_pid) - (looking.own if looking else 0)
        ticks[ALL] = sum(ticks.values())
        user, nice, system, idle, waiting, hard, soft, stolen = _cores()
        busy = user + nice + system + hard + soft
        ticks[REST] = busy - ticks[ALL]
        ticks[IDLE] = idle + waiting
        ticks[CORES] = busy + idle + waiting + stolen
        seconds = {name: each / TICKS_A_SECOND for name, each in ticks.items()}
        return {**seconds, A_SECOND: perf_counter()}

    @property
    def _session_pid(self) -> int:
        return self.session.info.backend_pid


def _cores() -> list[int]:
    first, _, _ = Path("/proc/stat").read_text().partition("\n")
    return [int(ticks) for ticks in first.split()[1:9]]


@contextmanager
def meter(url: str, pids: Mapping[str, int]) -> Iterator[Meter]:
    """Give a meter for these processes and the server of this database."""
    with psycopg.connect(url, autocommit=True) as session:
        yield Meter(session, pids)


Rounds = dict[str, list[dict[str, float]]]
"""What a meter read in each round, by system."""


def medians(rounds: Rounds) -> dict[str, dict[str, float]]:
    """Return the median of each figure over the rounds, by system."""
    return {
        system: {name: median(read[name] for read in each) for name in each[0]}
        for system, each in rounds.items()
    }
