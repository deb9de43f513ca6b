"""An aggregate twice, by its history and by its row, and commands given to both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from eventsourcing.domain import Aggregate
from hypothesis import strategies as st

from domain.errors import ConflictError, InvalidInputError, NotFoundError
from domain.state import rehydrate
from eventlog.encoding import PlainMapper, PlainTranscoder
from projections.envelope import bare_envelope
from projections.table import ProjectedRow, Table
from tests.support.decisive import decisive
from tests.unit.given import at

MAPPER = PlainMapper(PlainTranscoder())

Command = Callable[[Any, datetime], object]

REFUSALS = (ConflictError, InvalidInputError, NotFoundError)

TEXTS = st.sampled_from(["", "why", "ü\u2603"])
JSON = st.dictionaries(TEXTS, st.none() | st.integers(-3, 3) | TEXTS, max_size=2)


@dataclass
class Both:
    """An aggregate twice: as its events make it, and with the row that they make."""

    folded: Any
    row: ProjectedRow | None = None

    def append(self, table: Table) -> None:
        """Take the new events through the log's bytes onto the row."""
        for event in self.folded.collect_events():
            kept = MAPPER.to_stored_event(event)
            version = kept.originator_version
            envelope = bare_envelope(self.folded.id, version, 10 * version, kept.topic, kept.state)
            self.row = table.fold(self.row, envelope)

    def of_row(self) -> Aggregate:
        """Return it as its row says, with nothing but JSON in it."""
        kind: type[Aggregate] = type(self.folded)
        return rehydrate(kind, self.folded.id, orjson.loads(orjson.dumps(self.row)))


def answer_of(aggregate: Any, command: Command, now: datetime) -> Sequence[object]:
    """Return the events that a command leads to, or why it is refused."""
    try:
        command(aggregate, now)
    except REFUSALS as error:
        return [error.code, str(error)]
    return [MAPPER.to_stored_event(event) for event in aggregate.collect_events()]


def check(both: Both, table: Table, commands: Sequence[Command]) -> None:
    """Give both the commands one after the other, and let both say what they would do."""
    both.append(table)
    for number, command in enumerate(commands):
        now = at(1_000 * number)
        of_row = both.of_row()
        assert decisive(of_row) == decisive(both.folded)
        assert both.row is not None
        assert table.is_decisive(both.row)
        assert answer_of(of_row, command, now) == said_and_done(both, command, now, table)


def said_and_done(both: Both, command: Command, now: datetime, table: Table) -> Sequence[object]:
    try:
        command(both.folded, now)
    except REFUSALS as error:
        return [error.code, str(error)]
    events = list(both.folded.pending_events)
    both.append(table)
    return [MAPPER.to_stored_event(event) for event in events]
