"""Several statements to the server and back in one go.

The same as psycopg's pipeline, straight on libpq: a cursor, a conversion and a system call for each
statement cost three times what is needed. Meant for the few statements that every group of commands
takes: each is prepared once a session, and parameters go as text, so a statement has to say of what
type they are.
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
class _Asked:
    query: bytes
    parameters: list[bytes]
    answer: Answer


class RoundTrip:
    """Statements that go together.

    In autocommit mode they say themselves where a transaction begins and ends.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asked: list[_Asked] = []

    def ask(self, statement: str, parameters: Parameters = ()) -> Answer:
        """Add a statement; its answer is filled by `go`."""
        query, names = _numbered(statement)
        if isinstance(parameters, Mapping):
            parameters = [parameters[name] for name in names]
        texts = [_as_text(value) for value in parameters]
        answer = Answer()
        self._asked.append(_Asked(query, texts, answer))
        return answer

    async def go(self) -> None:
        """Send all, and read all. The first error is raised; the server skips what follows it."""
        if not self._asked:
            return
        async with self._connection.lock:
            results = await self._connection.wait(self._exchange())
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                # What was to be prepared was not, or may suit the tables no more.
                _prepared.pop(self._connection, None)
                raise errors.error_from_result(result)
        loaded: abc.Transformer = adapt.Transformer(self._connection)
        for asked, result in zip(self._asked, results, strict=True):
            asked.answer.rows = _rows(loaded, result)

    def _exchange(self) -> abc.PQGen[list[PGresult]]:
        pgconn = self._connection.pgconn
        try:
            pgconn.enter_pipeline_mode()
            is_answer: list[bool] = []
            for asked in self._asked:
                is_answer += self._send(asked)
            pgconn.pipeline_sync()
            is_answer.append(False)  # The last is that of the synchronisation.
            yield from generators.send(pgconn)
            results: list[PGresult] = []
            for wanted in is_answer:
                found = yield from generators.fetch_many(pgconn)
                if wanted or _has_failed(found):
                    results.append(found[-1])
            pgconn.exit_pipeline_mode()
        except BaseException:
            # In the middle of a conversation nothing can be asked any more.
            pgconn.finish()
            raise
        return results

    def _send(self, asked: _Asked) -> Iterator[bool]:
        """Hand a statement to libpq; yield for each result to come whether it is its own."""
        pgconn = self._connection.pgconn
        prepared = _prepared.setdefault(self._connection, {})
        query = asked.query
        name = prepared.get(query)
        if name is None:
            name = b"trip_%d" % next(_numbers)
            prepared[query] = name
            pgconn.send_prepare(name, query)
            yield False
        pgconn.send_query_prepared(name, asked.parameters)
        yield True


def _has_failed(found: Sequence[PGresult]) -> bool:
    if not found:
        return False
    return found[-1].status == ExecStatus.FATAL_ERROR


def is_sound(connection: Connection) -> bool:
    """Return whether no round trip of this session has failed.

    One that has holds statements that nobody will ask for.
    """
    return connection in _prepared


async def roll_back(connection: Connection) -> None:
    """Undo the transaction that is open.

    Psycopg, if it is told to, forgets all that is prepared, for everybody.
    """
    trip = RoundTrip(connection)
    trip.ask("ROLLBACK")
    await trip.go()


_prepared: WeakKeyDictionary[AsyncConnection[Any], dict[bytes, bytes]] = WeakKeyDictionary()
"""By session, the names under which statements are prepared there."""

_numbers = count()

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?s")


@cache
def _numbered(statement: str) -> tuple[bytes, list[str]]:
    """Return a statement as the server wants it, with numbers, and its parameters' names if any."""
    named = dict.fromkeys(_PLACEHOLDER.findall(statement))
    named.pop("", None)
    names = list(named)
    numbers = count(1)

    def number(found: re.Match[str]) -> str:
        name = found[1]
        if name:
            place = names.index(name) + 1
            return f"${place}"
        return f"${next(numbers)}"

    return _PLACEHOLDER.sub(number, statement).encode(), names


def _as_text(value: Parameter) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int):
        return b"%d" % value
    return b"{%b}" % b",".join([one.hex.encode() for one in value])


def _rows(loaded: abc.Transformer, result: PGresult) -> list[dict[str, Any]]:
    if not result.ntuples:
        return []
    loaded.set_pgresult(result)
    columns = range(result.nfields)
    names = [_name(result, column) for column in columns]

    def row(values: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(names, values, strict=True))

    return loaded.load_rows(0, result.ntuples, row)


def _name(result: PGresult, column: int) -> str:
    name = result.fname(column)
    if name is None:
        return ""
    return name.decode()
