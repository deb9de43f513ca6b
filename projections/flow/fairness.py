"""Reads the next runs of a fairness group, or only its next values, under the lock.

First the runs (`GROUP_RUNS`): only the first ones of the next values are read, however many wait,
and values whose runs are all planned for later are skipped. Then the values (`NEXT_VALUES`), by
which a claim confirms that its expected runs are next. Last, what a claim has read of its groups
(`FairnessGroupReader`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson
from typing_extensions import ReadOnly, TypedDict

from projections.flow.candidates import (
    ANY_PLAN,
    AT_PRESENT,
    BY_INDEX,
    DUE,
    JOB_LIMIT,
    LIMIT_COLUMNS_OF_ONE_JOB,
    Candidate,
    is_none_of,
)
from projections.flow.limits import (
    IN_QUEUE_ORDER,
    MAX_DEPTH,
    MAX_VALUES,
    FairnessGroup,
    GroupKey,
    LimitState,
    fairness_group,
    group_of,
    next_read_size,
)
from projections.flow.selection import Selection, serves_entry_point
from projections.job_runs import IS_PENDING
from projections.rows import Connection, as_rows

Rows = Sequence[dict[str, Any]]

GROUP = """
    job_definition_id = %(job_id)s AND entry_point = %(entry_point)s
    AND priority = %(priority)s
"""

_WAITS = f"{IS_PENDING} AND fair_value IS NOT NULL AND {GROUP}"

VALUE_ORDER = f"""
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
        WHERE walked < {MAX_VALUES}
    ), behind (value, walked) AS (
        (SELECT fair_value, 1 FROM job_runs WHERE {_WAITS}
         ORDER BY entry_point, priority, fair_value LIMIT 1)
        UNION ALL
        SELECT next.fair_value, walked + 1 FROM behind CROSS JOIN LATERAL (
            SELECT fair_value FROM job_runs WHERE {_WAITS} AND fair_value > behind.value
            ORDER BY entry_point, priority, fair_value LIMIT 1
        ) AS next
        WHERE walked < {MAX_VALUES}
          AND coalesce(next.fair_value <= (SELECT value FROM last), true)
    ), value_order AS (
        SELECT 0 AS lap, value FROM ahead
        UNION ALL
        SELECT 1 AS lap, value FROM behind
        WHERE coalesce(value <= (SELECT value FROM last), true)
    )
"""
"""The waiting values in round-robin order, the one that was started last at the end. Rows are read
only as the query needs them, in this order."""

DUE_OF_GROUP = f"{DUE} AND fair_value IS NOT NULL AND {GROUP}"

DUE_OF_VALUE = f"""
    {DUE_OF_GROUP}
      AND fair_value >= value_order.value AND fair_value <= value_order.value
"""
"""A range of one value: for an equality PostgreSQL would scan the queue."""

IN_VALUE_ORDER = "ORDER BY entry_point, priority, fair_value, scheduled_at, id"

_IS_FREE = f"""(
    {is_none_of("concurrency_value", "saturated_keys")}
    AND {is_none_of("rate_value", "full_values")}
    OR id = ANY(%(heads)s::uuid[])
)"""

_KEEP_ONE_RUN_OF_MANY = """
    concurrency_key <> fairness_key
    OR rate_limit IS NOT NULL AND rate_limit ->> 'key' IS DISTINCT FROM fairness_key
"""
"""Whether limits may refuse a run of a value but not its next run. Limits by the fairness key
itself refuse all runs of a value, or none."""

GROUP_RUNS = f"""
    WITH RECURSIVE {VALUE_ORDER}, free AS (
        SELECT lap, value FROM value_order CROSS JOIN LATERAL (
            SELECT id FROM ({DUE_OF_VALUE} {IN_VALUE_ORDER} LIMIT {MAX_DEPTH}) AS run
            WHERE {_IS_FREE} LIMIT 1
        ) AS first
        LIMIT %(values)s::int
    ), job AS MATERIALIZED (
        SELECT {JOB_LIMIT}, concurrency_limit, rate_limit, fairness_key,
            CASE WHEN {_KEEP_ONE_RUN_OF_MANY} THEN %(least_depth)s::int END AS least_depth
        FROM job_definitions AS job WHERE id = %(job_id)s
    ), share AS (
        SELECT greatest(
            %(depth)s::int, least_depth, (%(values)s::int + count(*) - 1) / count(*)
        ) AS depth
        FROM free CROSS JOIN job GROUP BY least_depth
    )
    SELECT lap, depth, run.*, {LIMIT_COLUMNS_OF_ONE_JOB}
    FROM share CROSS JOIN job CROSS JOIN free AS value_order CROSS JOIN LATERAL (
        SELECT * FROM ({DUE_OF_VALUE} {IN_VALUE_ORDER} LIMIT depth + {MAX_DEPTH}) AS run
        WHERE {_IS_FREE} LIMIT depth
    ) AS run
    ORDER BY lap, value, scheduled_at, id
"""
"""The first runs of the first values that have a run which may start. Each value gets an equal
share of the claim's slots, but at least the depth of the query."""

GROUP_RUNS_AT_PRESENT = GROUP_RUNS.replace("%(now)s", AT_PRESENT)

ONE_PLAN = f"{BY_INDEX}, set_config('plan_cache_mode', 'force_generic_plan', true)"
"""Planning `GROUP_RUNS` takes ten times as long as executing it, so one plan is kept until
`ANY_PLAN`."""


_OF_GROUP = "(SELECT %(job_id)s::uuid), (SELECT %(entry_point)s::text), (SELECT %(priority)s::int)"

_GROUP_COLUMNS = "job_definition_id, entry_point, priority"


def _first_value(condition: str, order: str) -> str:
    """Return SQL for the value of the first run by an index, NULL if it is of another group.

    The condition is the beginning of the range, not that it is of the group: so PostgreSQL expects
    many runs, and goes by the index of this order whatever it knows of the table (a test without
    statistics: `tests/integration/claims/limits/test_unanalyzed_tables.py`).
    """
    return f"""
        (SELECT CASE WHEN ({_GROUP_COLUMNS}) = ({_OF_GROUP}) THEN fair_value END FROM (
            SELECT {_GROUP_COLUMNS}, fair_value FROM job_runs
            WHERE {condition} ORDER BY {order} LIMIT 1
        ) AS run)
    """


def _first_waiting(comparison: str) -> str:
    condition = f"""
        {IS_PENDING} AND fair_value IS NOT NULL
        AND ({_GROUP_COLUMNS}, fair_value) {comparison}
    """
    return _first_value(condition, f"{_GROUP_COLUMNS}, fair_value")


_LAST_STARTED = _first_value(
    f"last_turn IS NOT NULL AND ({_GROUP_COLUMNS}) <= ({_OF_GROUP})",
    "job_definition_id DESC, entry_point DESC, priority DESC, last_turn DESC",
)

NEXT_VALUES = f"""
    SELECT {_LAST_STARTED} AS last_value, coalesce(
        {_first_waiting(f"> ({_OF_GROUP}, step.value)")}, {_first_waiting(f">= ({_OF_GROUP}, '')")}
    ) AS next_value
    FROM json_array_elements_text((SELECT %(values)s::json)) WITH ORDINALITY AS step (value, number)
    ORDER BY number
"""
"""The value that was started last, and for each of some values the next one in the cycle of all
values with which runs wait, due or not, whatever limits keep them. It costs less than half of what
`GROUP_RUNS` does (docs/performance.md, "Who waits for whom in a backlog")."""


@dataclass(frozen=True)
class ExpectedValues:
    """The values that a group is expected to start next.

    Attributes:
        group: which one.
        last_value: the value that was started last, as far as this process knows.
        values: the expected ones, in the order of their starts.
    """

    group: GroupKey
    last_value: str | None
    values: list[str | None]

    @property
    def parameters(self) -> dict[str, str | int]:
        """The parameters of `NEXT_VALUES`, which looks up what follows the last value and each."""
        job_id, entry_point, priority = self.group
        steps = [self.last_value, *self.values[:-1]]
        return {
            "job_id": job_id,
            "entry_point": entry_point,
            "priority": priority,
            "values": orjson.dumps(steps).decode(),
        }

    def are_next(self, rows: Rows) -> bool:
        """Return whether, by the answer to `NEXT_VALUES`, no other value comes between them."""
        answer = as_rows(_NextValue, rows)
        if answer[0]["last_value"] != self.last_value:
            return False
        return [row["next_value"] for row in answer][: len(self.values)] == self.values


class _NextValue(TypedDict):
    last_value: ReadOnly[str | None]
    next_value: ReadOnly[str | None]


class _GroupRun(Candidate):
    lap: ReadOnly[int]
    depth: ReadOnly[int]


@dataclass(frozen=True)
class GroupQuery:
    """The parameters of `GROUP_RUNS`.

    Attributes:
        group: to read.
        depth: the number of runs to read of each value, at least.
        values: the number of values to read at most, and of runs that are divided among them.
        least_depth: used instead of a smaller `depth` if limits may refuse only a value's first
            runs.
        saturated_keys: concurrency keys without capacity.
        full_values: values of the rate's key without capacity.
        heads: runs that are read although their keys are saturated or their rates full: they were
            next in the group before that, so the claim needs them to select the same runs again.
    """

    group: GroupKey
    depth: int
    values: int
    least_depth: int = 1
    saturated_keys: frozenset[str] = frozenset()
    full_values: frozenset[str] = frozenset()
    heads: frozenset[str] = frozenset()

    @property
    def parameters(self) -> dict[str, str | int]:
        """Return the parameters without the time and the arrays."""
        job_id, entry_point, priority = self.group
        return {
            "job_id": job_id,
            "entry_point": entry_point,
            "priority": priority,
            "offered": "",
            "depth": self.depth,
            "values": self.values,
            "least_depth": self.least_depth,
        }

    def group_from(self, rows: Rows) -> FairnessGroup:
        """Return the group of the result's rows."""
        depth: int | None = None
        queues: dict[str | None, list[Candidate]] = {}
        for run in as_rows(_GroupRun, rows):
            depth = run["depth"]
            queues.setdefault(run["fair_value"], []).append(run)
        return FairnessGroup(list(queues.values()), len(queues) < self.values, depth)


class FairnessGroupReader:
    """Reads fairness groups as of one time, each as far as a claim needs it.

    Under the lock they are exact until the next start is appended.

    Attributes:
        groups: those that have been read.
    """

    def __init__(self, slots: int, executed: Collection[str] | None = None) -> None:
        """Begin with nothing.

        Args:
            slots: the number of runs that the claim may start.
            executed: the entry points whose runs are served round-robin; None for all.
        """
        self._slots = slots
        self._executed = executed
        self._values: dict[GroupKey, int] = {}
        self.groups: dict[GroupKey, FairnessGroup] = {}

    def queries(
        self,
        unread: Mapping[GroupKey, Candidate],
        limits: LimitState,
        selection: Selection | None = None,
    ) -> dict[GroupKey, GroupQuery]:
        """Return the queries for groups: for more values and longer queues than the last time.

        Groups that are not served by value need none: from now on they count as read.

        Args:
            unread: the groups, each with one of its runs.
            limits: as of the claim.
            selection: by these limits; of groups that have been read, runs that cannot start beside
                its certain ones are not read again.
        """
        queries: dict[GroupKey, GroupQuery] = {}
        for group, run in unread.items():
            if self.is_served_by_value(group):
                queries[group] = self._query(group, run, limits, selection)
            else:
                self.groups[group] = IN_QUEUE_ORDER
        return queries

    def groups_in_memory(
        self,
        groups: Iterable[GroupKey],
        due: Collection[Candidate],
        last_values: Mapping[GroupKey, str | None],
    ) -> dict[GroupKey, FairnessGroup]:
        """Return groups as they are if no other runs of theirs are due than those in memory.

        Args:
            groups: which ones.
            due: the due runs in memory, in the queue's order, of whatever group.
            last_values: the values that were started last, as far as they are known.
        """
        in_memory: dict[GroupKey, FairnessGroup] = {}
        for group in groups:
            runs = [run for run in due if group_of(run) == group]
            in_memory[group] = (
                fairness_group(runs, last_values.get(group))
                if self.is_served_by_value(group)
                else IN_QUEUE_ORDER
            )
        return in_memory

    def is_served_by_value(self, group: GroupKey) -> bool:
        """Return whether the worker executes the group's runs, so that values matter."""
        _, entry_point, _ = group
        return serves_entry_point(self._executed, entry_point)

    def _query(
        self, group: GroupKey, run: Candidate, limits: LimitState, selection: Selection | None
    ) -> GroupQuery:
        """Return the first query for a group; if it has been read, one that reads on."""
        depth, values = 1, self._slots
        started: Sequence[Candidate] = ()
        heads: Sequence[Candidate] = ()
        read = self.groups.get(group)
        if read is not None and selection is not None:
            depth, values = read.next_depth(self._slots), self._values[group]
            if not read.is_complete:
                values = next_read_size(values)
            started = [one for one in selection.certain if one["job_definition_id"] == group[0]]
            heads = [head for head in selection.heads if group_of(head) == group]
        full = limits.rate_values_filled_by(started)
        if run["rate_limit"] is not None:
            full += limits.full_rate_values(group[0])
        return GroupQuery(
            group,
            depth,
            values,
            least_depth=min(self._slots, MAX_DEPTH),
            saturated_keys=frozenset(
                [*limits.saturated_keys_beside(run), *limits.keys_saturated_by(started)]
            ),
            full_values=frozenset(full),
            heads=frozenset(head["id"] for head in heads),
        )

    def runs(self) -> Iterator[Candidate]:
        """Yield the runs that have been read."""
        for group in self.groups.values():
            yield from chain.from_iterable(group.queues)

    def take(self, query: GroupQuery, rows: Rows) -> None:
        """Add the result of a query."""
        self._values[query.group] = query.values
        self.groups[query.group] = query.group_from(rows)


async def read_group(
    connection: Connection, group: GroupKey, now: str, depth: int, values: int
) -> FairnessGroup:
    """Return a fairness group as of a time, ignoring limits.

    Args:
        connection: in a snapshot.
        group: to read.
        now: the time, in ISO 8601.
        depth: the number of runs of each value, at least.
        values: the number of values, at most.
    """
    query = GroupQuery(group, depth, values)
    none: list[str] = []
    arrays = {"saturated_keys": none, "full_values": none, "heads": none}
    parameters = {**query.parameters, **arrays, "now": now}
    await connection.execute(ONE_PLAN)
    cursor = await connection.execute(GROUP_RUNS, parameters)
    rows = await cursor.fetchall()
    await connection.execute(ANY_PLAN)
    return query.group_from(rows)
