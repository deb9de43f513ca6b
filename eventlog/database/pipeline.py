"""Several statements in one round trip to the server.

Like psycopg's pipeline, but directly on libpq: a cursor, a conversion and a system call for each
statement cost three times as much. Used for the few statements of every batch of commands: each is
prepared once a session. Parameters go as text, so a statement must name their types.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, abc, adapt, errors, generators
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from projections.rows import Connection

Parameter = str | int | Sequence[UUID]

Parameters = Mapping[str, Parameter] | Sequence[Parameter]
"""By name or in order, as the statement has them: `%(name)s` or `%s`."""


@dataclass
class Answer:
    """What a statement returned, once the round trip is over."""

    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class _Statement:
    query: bytes
    parameters: list[bytes]
    answer: Answer


ANSWER_S = 30.0
"""How long a server may take to answer, the wait for the append lock included: then the connection
counts as lost. One that is frozen, or waits for its disk, keeps it open."""


class RoundTrip:
    """Statements that are sent together.

    In autocommit mode they include BEGIN and COMMIT themselves.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._statements: list[_Statement] = []

    def add(self, statement: str, parameters: Parameters = ()) -> Answer:
        """Add a statement; `send` fills its answer."""
        query, names = _numbered(statement)
        if isinstance(parameters, Mapping):
            parameters = [parameters[name] for name in names]
        texts = [_as_text(value) for value in parameters]
        answer = Answer()
        self._statements.append(_Statement(query, texts, answer))
        return answer

    async def send(self) -> None:
        """Send all statements and read all answers; raise the first error."""
        if not self._statements:
            return
        exchange = self._exchange()
        async with self._connection.lock:
            try:
                results = await self._connection.wait(exchange, timeout=ANSWER_S)
            finally:
                exchange.close()  # Where no answer came, this closes the session.
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                # A statement may not have been prepared, or no longer fit the tables.
                _prepared.pop(self._connection, None)
                raise errors.error_from_result(result)
        transformer: abc.Transformer = adapt.Transformer(self._connection)
        for statement, result in zip(self._statements, results, strict=True):
            if result.ntuples:
                statement.answer.rows = _rows(transformer, statement.query, result)

    def _exchange(self) -> abc.PQGen[list[PGresult]]:
        pgconn = self._connection.pgconn
        try:
            pgconn.enter_pipeline_mode()
            own_results: list[bool] = []
            prepared = _prepared.setdefault(self._connection, {})
            for statement in self._statements:
                own_results += self._send(statement, prepared)
            pgconn.pipeline_sync()
            own_results.append(False)  # The last result is that of the synchronisation.
            yield from generators.send(pgconn)
            results: list[PGresult] = []
            for is_own in own_results:
                fetched = yield from generators.fetch_many(pgconn)
                if is_own or _has_failed(fetched):
                    results.append(fetched[-1])
            pgconn.exit_pipeline_mode()
        except BaseException:
            # The session is in an unknown state and cannot be used any more.
            pgconn.finish()
            raise
        return results

    def _send(self, statement: _Statement, prepared: dict[bytes, bytes]) -> Iterator[bool]:
        """Hand a statement to libpq; yield whether each result to come is the statement's own."""
        pgconn = self._connection.pgconn
        query = statement.query
        name = prepared.get(query)
        if name is None:
            name = b"trip_%d" % next(_numbers)
            prepared[query] = name
            pgconn.send_prepare(name, query)
            yield False
        pgconn.send_query_prepared(name, statement.parameters)
        yield True


def _has_failed(results: Sequence[PGresult]) -> bool:
    if not results:
        return False
    return results[-1].status == ExecStatus.FATAL_ERROR


def is_sound(connection: Connection) -> bool:
    """Return whether no round trip of this session has failed.

    A session with a failed one has prepared statements that are not known here.
    """
    return connection in _prepared


async def roll_back(connection: Connection) -> None:
    """Roll back the open transaction.

    Psycopg's own rollback would drop all prepared statements.
    """
    trip = RoundTrip(connection)
    trip.add("ROLLBACK")
    await trip.send()


_prepared: WeakKeyDictionary[AsyncConnection[Any], dict[bytes, bytes]] = WeakKeyDictionary()
"""By session, the names under which statements are prepared there."""

_numbers = count()

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?s")


@cache
def _numbered(statement: str) -> tuple[bytes, list[str]]:
    """Return a statement with numbered parameters, and their names if they have any."""
    named = dict.fromkeys(_PLACEHOLDER.findall(statement))
    named.pop("", None)
    names = list(named)
    numbers = count(1)

    def number(match: re.Match[str]) -> str:
        parameter = match[1]
        if parameter:
            return f"${names.index(parameter) + 1}"
        return f"${next(numbers)}"

    return _PLACEHOLDER.sub(number, statement).encode(), names


def _as_text(value: Parameter) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int):
        return b"%d" % value
    return b"{%b}" % b",".join([one.hex.encode() for one in value])


def _rows(transformer: abc.Transformer, query: bytes, result: PGresult) -> list[dict[str, Any]]:
    transformer.set_pgresult(result)
    names = _columns.get(query)
    # A migration beside this process may have added a column to what the statement selects.
    if names is None or len(names) != result.nfields:
        names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
        _columns[query] = names
    rows = transformer.load_rows(0, result.ntuples, tuple)
    return [dict(zip(names, values, strict=True)) for values in rows]


_columns: dict[bytes, list[str]] = {}
"""By statement: to read the names of fifty columns anew takes longer than to read their values."""
