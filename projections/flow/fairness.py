"""Reads which values of a fairness group are next, under the lock: not all that wait.

However many runs of a value wait, only its first ones are read; however many values wait, only the
next ones. Values that have only runs planned for later are skipped.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import ReadOnly

from projections.flow.candidates import (
    AT_PRESENT,
    DUE,
    LIMIT_OF_JOB,
    LIMIT_OF_ONE_JOB,
    Candidate,
    Place,
)
from projections.flow.limits import DEPTH, MOST_VALUES, Circle, Group, Limits, Turns, takes
from projections.job_runs import IS_PENDING
from projections.rows import Connection, as_rows

GROUP = """
    job_definition_id = %(job_id)s AND entry_point = %(entry_point)s
    AND priority = %(priority)s
"""

_WAITS = f"{IS_PENDING} AND fair_value IS NOT NULL AND {GROUP}"

CIRCLE = f"""
    last AS (
        SELECT fair_value AS value FROM job_runs WHERE {GROUP} AND last_turn IS NOT NULL
        ORDER BY last_turn DESC LIMIT 1
    ), ahead (value, walked) AS (
        (SELECT fair_value, 1 FROM job_runs
         WHERE {_WAITS} AND fair_value > (SELECT value FROM last)
         ORDER BY entry_point, priority, fair_value LIMIT 1)
        UNION ALL
        SELECT next.fair_value, walked + 1 FROM ahead CROSS JOIN LATERAL (
            SELECT fair_value FROM job_runs WHERE {_WAITS} AND fair_value > ahead.value
            ORDER BY entry_point, priority, fair_value LIMIT 1
        ) AS next
        WHERE walked < {MOST_VALUES}
    ), behind (value, walked) AS (
        (SELECT fair_value, 1 FROM job_runs WHERE {_WAITS}
         ORDER BY entry_point, priority, fair_value LIMIT 1)
        UNION ALL
        SELECT next.fair_value, walked + 1 FROM behind CROSS JOIN LATERAL (
            SELECT fair_value FROM job_runs WHERE {_WAITS} AND fair_value > behind.value
            ORDER BY entry_point, priority, fair_value LIMIT 1
        ) AS next
        WHERE walked < {MOST_VALUES}
          AND coalesce(next.fair_value <= (SELECT value FROM last), true)
    ), circle AS (
        SELECT 0 AS lap, value FROM ahead
        UNION ALL
        SELECT 1 AS lap, value FROM behind
        WHERE coalesce(value <= (SELECT value FROM last), true)
    )
"""
"""The values that wait, from the one after the last that was started round to that one. Nothing is
read of them before it is asked for, in this order."""

DUE_OF_GROUP = f"{DUE} AND fair_value IS NOT NULL AND {GROUP}"

DUE_OF_VALUE = f"""
    {DUE_OF_GROUP}
      AND fair_value >= circle.value AND fair_value <= circle.value
"""
"""A range of one value: an equality would let PostgreSQL walk the queue in search of the value."""

IN_LINE = "ORDER BY entry_point, priority, fair_value, scheduled_at, id"

_IS_FREE = """
    NOT coalesce(concurrency_value = ANY(%(taken)s::text[]), false)
    AND NOT coalesce(rate_value = ANY(%(full)s::text[]), false)
"""

_KEEP_ONE_RUN_OF_MANY = """
    concurrency_key <> fairness_key
    OR rate_limit IS NOT NULL AND rate_limit ->> 'key' IS DISTINCT FROM fairness_key
"""
"""Whether limits may keep a run of a value and let the next one start. Those that count by the very
parameter that takes turns keep all of a value, or none."""

LINES = f"""
    WITH RECURSIVE {CIRCLE}, free AS (
        SELECT lap, value FROM circle CROSS JOIN LATERAL (
            SELECT id FROM ({DUE_OF_VALUE} {IN_LINE} LIMIT {DEPTH}) AS run
            WHERE {_IS_FREE} LIMIT 1
        ) AS first
        LIMIT %(most)s::int
    ), job AS MATERIALIZED (
        SELECT {LIMIT_OF_JOB}, concurrency_limit, rate_limit, fairness_key,
            CASE WHEN {_KEEP_ONE_RUN_OF_MANY} THEN %(others)s::int END AS others
        FROM job_definitions AS job WHERE id = %(job_id)s
    ), share AS (
        SELECT greatest(%(each)s::int, others, (%(most)s::int + count(*) - 1) / count(*)) AS runs
        FROM free CROSS JOIN job GROUP BY others
    )
    SELECT lap, runs AS each, run.*, {LIMIT_OF_ONE_JOB}
    FROM share CROSS JOIN job CROSS JOIN free AS circle CROSS JOIN LATERAL (
        SELECT * FROM ({DUE_OF_VALUE} {IN_LINE} LIMIT runs + {DEPTH}) AS run
        WHERE {_IS_FREE} LIMIT runs
    ) AS run
    ORDER BY lap, value, scheduled_at, id
"""
"""Of the first values of which a run is free the first runs: of each as many as are its share of a
claim, if all values have so many."""

LINES_AT_PRESENT = LINES.replace("%(now)s", AT_PRESENT)

ONE_PLAN = "SET LOCAL plan_cache_mode = force_generic_plan"
ANY_PLAN = "SET LOCAL plan_cache_mode = auto"
"""To plan `LINES` takes ten times as long as to look, and PostgreSQL would do it at each claim."""


class _RunOfLine(Candidate):
    lap: ReadOnly[int]
    each: ReadOnly[int]


Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Question:
    """What `LINES` is asked with.

    Attributes:
        group: whose circle is wanted.
        each: how many runs of each value are wanted at least.
        most: how many values, and how many runs of all of them.
        others: how many runs of each value are wanted where limits may keep its first ones.
        taken: keys that runs under way leave nothing of.
        full: values by which no more runs may start within the period.
    """

    group: Group
    each: int
    most: int
    others: int = 1
    taken: frozenset[str] = frozenset()
    full: frozenset[str] = frozenset()

    @property
    def values(self) -> dict[str, str | int]:
        """Return the parameters but for the moment and the two arrays."""
        job_id, entry_point, priority = self.group
        return {
            "job_id": job_id,
            "entry_point": entry_point,
            "priority": priority,
            "offered": "",
            "each": self.each,
            "most": self.most,
            "others": self.others,
        }

    def answered(self, rows: Rows) -> Circle:
        """Return the circle that an answer tells of."""
        asked: int | None = None
        lines: dict[str | None, list[Candidate]] = {}
        for run in as_rows(_RunOfLine, rows):
            asked = run["each"]
            line = lines.setdefault(run["fair_value"], [])
            line.append(run)
        in_order = list(lines.values())
        is_whole = len(lines) < self.most
        return Circle(in_order, is_whole, asked)


class KnownCircles:
    """What is known of the circles, as of one moment.

    Under the lock it is exact until the next start is appended.
    """

    def __init__(self, slots: int, executed: Collection[str] | None = None) -> None:
        """Begin with nothing.

        Args:
            slots: how many runs are wanted.
            executed: the entry points whose runs take turns; None for all.
        """
        self._slots = slots
        self._executed = executed
        self._most: dict[Group, int] = {}
        self._known: dict[Group, Circle] = {}

    @property
    def has_any(self) -> bool:
        """Return whether anybody takes turns, so that more of the queue's front tells little."""
        return bool(self._known)

    def turns(self, until: Place | None) -> Turns:
        """Return the turns of a claim that begins anew, and is sure up to a place."""
        return Turns(self._known, until)

    def questions(self, wanted: Mapping[Group, Candidate], limits: Limits) -> dict[Group, Question]:
        """Return by group what to ask of it: for more, and longer lines, than the last time.

        Args:
            wanted: as turns say it.
            limits: what the runs under way leave to others.
        """
        questions: dict[Group, Question] = {}
        for group, run in wanted.items():
            if takes(self._executed, run["entry_point"]):
                questions[group] = self._question(group, run, limits)
            else:
                self._known[group] = Circle(())
        return questions

    def _question(self, group: Group, run: Candidate, limits: Limits) -> Question:
        before = self._most.get(group, 0)
        most = 2 * before or self._slots
        self._most[group] = most
        each = 1
        known = self._known.get(group)
        if known is not None:
            each = known.enough_for(self._slots)
        taken = frozenset(limits.keys_held(run))
        full = frozenset(limits.rates_full(run))
        others = min(self._slots, DEPTH)
        return Question(group, each, most, others, taken, full)

    def take(self, question: Question, rows: Rows) -> None:
        """Take in an answer."""
        self._known[question.group] = question.answered(rows)


async def read_circle(
    connection: Connection, group: Group, now: str, each: int, most: int
) -> Circle:
    """Return a group's circle as of a moment, whatever limits keep."""
    question = Question(group, each, most)
    nothing: list[str] = []
    values = {**question.values, "now": now, "taken": nothing, "full": nothing}
    cursor = await connection.execute(LINES, values)
    rows = await cursor.fetchall()
    return question.answered(rows)
