"""A population of runs: events of many lives in the order of time, and the rows that follow.

The rows are made by the service's own fold, so log and tables agree, which `verify` shows.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

import orjson

from benchmarks.growth import lives
from benchmarks.growth.lives import Author
from benchmarks.growth.stories import Change, Step, iso
from domain.identifiers import event_id
from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import bare_envelope
from projections.table import Table
from projections.tables import BY_SUBJECT

SPAN_MS = 100 * lives.DAY_MS
"""How long it takes all of them to happen, however many they are."""

EVENT_COLUMNS = (
    "originator_id, originator_version, topic, state, notification_id, recorded_at, actor,"
    " correlation_id, causation_id"
)


@dataclass(frozen=True, slots=True)
class Written:
    """A line of COPY for the log, and a row whose aggregate has no further events."""

    line: str
    finished: tuple[Table, Row] | None = None


@dataclass
class Population:
    """So many runs, up to a moment; the same numbers make the same population.

    Attributes:
        end_ms: what would happen later has not happened.
        pending_share: see `Author`.
        position: the log's last one.
        counts: of runs by status, in the end.
        parameters: sizes of some runs' parameters.
    """

    runs: int
    end_ms: int
    pending_share: float = 0.0
    position: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    parameters: list[int] = field(default_factory=list)
    _coming: list[tuple[int, int, list[Step]]] = field(default_factory=list)

    def written(self) -> Iterator[Written]:
        """Yield the events in log order, then the rows of what is still under way."""
        author = Author(Random(self.runs), self.runs, self.pending_share)
        start_ms = self.end_ms - SPAN_MS
        for step in author.catalog(start_ms):
            yield from self._step(step, is_last=True)
        for number in range(self.runs):
            steps = author.run(number, start_ms + 1 + number * SPAN_MS // self.runs)
            yield from self._until(steps[0].at_ms)
            heappush(self._coming, (steps[0].at_ms, number, steps))
            if not number % 1_000:
                self.parameters.append(len(orjson.dumps(steps[0].changes[0].state["parameters"])))
        yield from self._until(self.end_ms)
        subjects = {
            id(change.subject): change.subject
            for _, _, [step, *_] in self._coming
            for change in step.changes
        }
        for subject in subjects.values():
            if subject.row is not None:
                yield Written("", self._finished(BY_SUBJECT[subject.kind], subject.row))

    def described(self) -> JsonObject:
        """Return what came out, for the results."""
        sizes = sorted(self.parameters)
        quantiles = {f"p{share}": sizes[len(sizes) * share // 100] for share in (10, 50, 90, 99)}
        return {
            "events": self.position,
            "statuses": dict(self.counts),
            "parameters_bytes": {**quantiles},
        }

    def _until(self, now_ms: int) -> Iterator[Written]:
        while self._coming and self._coming[0][0] <= now_ms:
            _, number, steps = heappop(self._coming)
            step = steps.pop(0)
            yield from self._step(step, is_last=not steps)
            if steps:
                heappush(self._coming, (steps[0].at_ms, number, steps))

    def _step(self, step: Step, *, is_last: bool) -> Iterator[Written]:
        at = iso(step.at_ms)
        for change in step.changes:
            line, row = self._event(change, at)
            yield Written(
                line, self._finished(BY_SUBJECT[change.subject.kind], row) if is_last else None
            )

    def _finished(self, table: Table, row: Row) -> tuple[Table, Row]:
        if table.name == "job_runs":
            self.counts[str(row["status"])] += 1
        return table, row

    def _event(self, change: Change, at: str) -> tuple[str, Row]:
        subject = change.subject
        self.position += 1
        subject.version += 1
        state = orjson.dumps({"timestamp": at, **change.state})
        envelope = bare_envelope(subject.id, subject.version, self.position, change.topic, state)
        subject.row = BY_SUBJECT[subject.kind].fold(subject.row, envelope)
        cause = r"\N" if subject.version == 1 else event_id(subject.id, subject.version - 1)
        own_id, correlation_id = subject.words
        line = (
            f"{own_id}\t{subject.version}\t{change.topic}\t\\\\x{state.hex()}\t{self.position}\t{at}\t"
            f"{change.actor}\t{correlation_id}\t{cause}\n"
        )
        return line, subject.row
