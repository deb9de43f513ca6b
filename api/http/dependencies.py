"""What routes depend on: the service's parts, the principal, cursors and query parameters.

First cursors and the `meta` of pages; then which queries are costly; then the dependencies of
FastAPI; last functions that read query parameters and headers.

With a cursor a page costs the same however many rows come before it, and rows that are added in
between change nothing.

A query is cheap if an index answers it, however many rows there are: lists by job, status and
search from their beginning or a cursor, and look-ups by id, as of now. All other queries wait for a
turn (`CostlyReads`), and end when their client leaves.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, HTTPConnection

from api.access import Principal, headers, principal_of, until_revoked
from api.bootstrap.service import Service
from domain.errors import InvalidInputError, Issue, NotFoundError, TooCostlyError, refuse
from domain.filters import NOT, PARAMETERS, Conditions, conditions_of, named, similar_name
from domain.jobs.run_events import STATUSES
from domain.json_values import NUL, JsonObject, escape
from domain.ports import Origin
from domain.quarantine import Quarantine
from eventlog.database.costly_reads import REMEDY, CostlyReads
from eventlog.keys import LogFiles
from projections.job_runs import RunRow
from projections.rows import Connection
from runtime.tasks import run_until_one_ends

MAX_DIGITS = 18
"""Decimal digits that always fit into 64 bits."""

PageCursor = Annotated[
    str | None,
    Query(
        description="`nextCursor` of the page before",
        json_schema_extra={"pattern": rf"^[0-9]{{1,{MAX_DIGITS}}}$"},
    ),
]

OptionalCursor = Annotated[
    str | None,
    Query(
        description="`nextCursor` of the page before;"
        " empty for the first page: then `meta` has cursors",
        json_schema_extra={"pattern": rf"^[0-9]{{0,{MAX_DIGITS}}}$"},
    ),
]

MAX_HISTORY_PAGE = 1_000
"""The longest page of a history, and its length if the request has no `limit`."""

HistoryLimit = Annotated[int | None, Query(ge=1, le=MAX_HISTORY_PAGE)]


def history_meta(limit: int | None, next_after: int | None) -> JsonObject:
    """Return the `meta` of a page of a history.

    Args:
        limit: the request's; None for the longest page.
        next_after: the event after which the next page begins; None at the end.
    """
    cursor = None if next_after is None else str(next_after)
    return cursor_meta(limit or MAX_HISTORY_PAGE, cursor)


def cursor_meta(limit: int, next_cursor: str | None) -> JsonObject:
    """Return the `meta` of a page; `next_cursor` is None on the last page."""
    return {"limit": limit, "hasMore": next_cursor is not None, "nextCursor": next_cursor}


def position_of(cursor: str) -> int:
    """Return the log position at which the page before ended.

    Raises:
        InvalidInputError: the cursor is not one of ours.
    """
    is_number = cursor.isascii() and cursor.isdigit()
    if not is_number or len(cursor) > MAX_DIGITS:
        issue = Issue("/cursor", "must be the nextCursor of another page", "pattern")
        raise InvalidInputError([issue])
    return int(cursor)


def next_cursor(runs: Sequence[RunRow], has_more: bool) -> str | None:  # noqa: FBT001 - what lists return
    """Return the cursor of the page after these runs, None if there is none."""
    return str(runs[-1]["created_position"]) if has_more and runs else None


MAX_CHEAP_COUNTS = 5
"""Schedules or failure groups whose events one request may count without a turn; more take a tenth
of a second."""

COSTLY_OFFSET = 1_000
"""Offsets from here on are costly: the rows before them are read and skipped."""

MAX_COMPARISONS = 200_000
"""Comparisons of parameters per page: one for each condition and each skipped run."""

_UNINDEXED = frozenset(
    {
        "actor",
        "failure",
        "worker",
        "retried",
        "createdAfter",
        "createdBefore",
        "endedAfter",
        "endedBefore",
        "minDurationMs",
        "maxDurationMs",
        "error",
    }
)
"""Filters that no index answers: rows are read until a page is full."""

_INDEXED_NEGATIONS = frozenset({f"status{NOT}", f"runtime{NOT}"})
"""Negated filters that an index answers, because the columns have few values."""


def costly_fields_of(query: QueryParams) -> list[str]:
    """Return the parameters that make a query costly, as JSON Pointers; empty if it is cheap.

    Raises:
        TooCostlyError: it is too costly even for a turn.
    """
    costly_fields = [f"/{escape(name)}" for name in query if _is_costly(name)]
    if query.get("sort", "created") != "created":
        costly_fields.append("/sort")
    text = query.get("offset", "")
    # The route refuses an offset that is not a number, or too large.
    offset = int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else 0
    if offset >= COSTLY_OFFSET:
        costly_fields.append("/offset")
    comparisons = sum(name.startswith(PARAMETERS) for name in query)
    if comparisons * offset > MAX_COMPARISONS:
        max_offset = MAX_COMPARISONS // comparisons
        conditions = f"{comparisons} conditions on parameters"
        message = f"must be at most {max_offset} with {conditions}; {REMEDY}"
        raise TooCostlyError([Issue("/offset", message, "cost")])
    return costly_fields


def _is_costly(name: str) -> bool:
    if name in _UNINDEXED or name == "asOf" or name.startswith(PARAMETERS):
        return True
    return name.endswith(NOT) and name not in _INDEXED_NEGATIONS


@asynccontextmanager
async def _while_client_waits(request: Request) -> AsyncIterator[None]:
    """Cancel the block as soon as the client leaves. The body must have been read.

    Raises:
        ClientDisconnect: the client has left.
    """
    deadline = asyncio.timeout(None)
    has_left = False

    async def watch() -> None:
        nonlocal has_left
        while (await request.receive())["type"] != "http.disconnect":
            pass
        has_left = True
        deadline.reschedule(asyncio.get_running_loop().time())

    try:
        async with deadline:
            # It is canceled where this block ends.
            watcher = asyncio.create_task(watch())
            try:
                yield
            finally:
                watcher.cancel()
    except TimeoutError:
        if not has_left:
            raise
        raise ClientDisconnect from None


def service_of(connection: HTTPConnection) -> Service:
    """Return the process's service."""
    return cast("Service", connection.app.state.service)


# Dependencies are coroutines although they wait for nothing: FastAPI sends plain functions to a
# pool of threads, and four hand-overs a launch took a tenth of its processor time.


async def _service(connection: HTTPConnection) -> Service:
    return service_of(connection)


ServiceDep = Annotated[Service, Depends(_service)]


async def _connection(request: Request, service: ServiceDep) -> AsyncIterator[Connection]:
    costly_fields = costly_fields_of(request.query_params)
    async with connection_for(request, service, costly_fields) as connection:
        yield connection


@asynccontextmanager
async def connection_for(
    request: Request,
    service: Service,
    costly_fields: Sequence[str],
    reads: CostlyReads | None = None,
) -> AsyncIterator[Connection]:
    """Lend a connection for a query.

    Args:
        request: the request, whose client waits.
        service: the process's service.
        costly_fields: the fields that make the query costly, as JSON Pointers; empty if it is
            cheap.
        reads: lends connections to costly queries; `service.costly` by default.

    Raises:
        OverloadedError, TooCostlyError: as `CostlyReads.turn`.
        ClientDisconnect: the client of a costly query has left.
    """
    if not costly_fields:
        async with service.pool.connection() as connection:
            yield connection
        return
    turn = (reads or service.costly).turn(costly_fields)
    async with _while_client_waits(request), turn as connection:
        yield connection


async def _files(service: ServiceDep) -> LogFiles:
    return service.files


async def _quarantine(service: ServiceDep) -> Quarantine:
    return service.jobs.quarantine


async def until_cut_off(connection: HTTPConnection) -> None:
    """Wait until the service stops, or until the client's token is revoked."""
    closing = cast("asyncio.Event", connection.app.state.closing)
    tokens = service_of(connection).settings.tokens
    await run_until_one_ends(closing.wait(), until_revoked(connection, tokens))


def reader_of(request: HTTPConnection) -> Principal:
    """Return the principal, or raise as `principal_of` does."""
    settings = service_of(request).settings
    return principal_of(request, settings.tokens, settings.origins, to_write=False)


async def _reader(request: Request) -> Principal:
    return reader_of(request)


CAUSE = "cause"
"""Key in a request's state: the causation id of its events."""

TRACEPARENT = "traceparent"
"""Likewise: the client's span, None without one."""


def origin_of(request: HTTPConnection) -> Origin:
    """Return the principal as the actor, with a causation id for the request's events.

    Raises as `principal_of` does; the principal must have the right to write.
    """
    settings = service_of(request).settings
    principal = principal_of(request, settings.tokens, settings.origins, to_write=True)
    return Origin(principal.name, causation_id=request.scope["state"][CAUSE])


async def _origin(request: Request) -> Origin:
    return origin_of(request)


ConnectionDep = Annotated[Connection, Depends(_connection, scope="function")]
FilesDep = Annotated[LogFiles, Depends(_files)]
QuarantineDep = Annotated[Quarantine, Depends(_quarantine)]
OriginDep = Annotated[Origin, Depends(_origin)]
MayRead = Depends(_reader)
ReaderDep = Annotated[Principal, MayRead]

Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]
RunsLimit = Annotated[int, Query(ge=1, le=50)]


_ONE_STATUS = "|".join(STATUSES)
_SOME_STATUSES = rf"^[\s,]*({_ONE_STATUS})([\s,]+({_ONE_STATUS}))*[\s,]*$"


async def _statuses(
    status: Annotated[
        str | None,
        Query(
            description="one status, or several with commas or blanks between them",
            json_schema_extra={"pattern": _SOME_STATUSES},
        ),
    ] = None,
) -> list[str]:
    return parse_words(status, STATUSES, "status")


def split_words(text: str) -> list[str]:
    """Return the words of a text that commas or blanks separate."""
    return text.replace(",", " ").split()


def parse_words(text: str | None, choices: Sequence[str], field: str) -> list[str]:
    """Return the words of a query parameter in lower case, each once.

    Raises:
        InvalidInputError: a word is not among the choices.
    """
    words = list(dict.fromkeys(word.lower() for word in split_words(text or "")))
    for word in words:
        if word not in choices:
            message = f"unknown {field} {word!r}; there are {', '.join(choices)}"
            raise InvalidInputError([Issue(f"/{field}", message, "enum")])
    return words


def idempotency_key(request: HTTPConnection) -> str | None:
    """Return the header's value, None if there is none, or raise InvalidInputError."""
    values = headers(request, b"idempotency-key")
    if not values:
        return None
    if len(values) > 1:
        message = "must be given once"
        raise InvalidInputError([Issue("/Idempotency-Key", message, "maxItems")])
    [key] = values
    is_printable = key.isascii() and key.isprintable()
    if not (is_printable and 1 <= len(key) <= 255):  # noqa: PLR2004 - the contract's number
        message = "must be 1 to 255 printable ASCII characters"
        raise InvalidInputError([Issue("/Idempotency-Key", message, "pattern")])
    return key


def _key(
    request: Request,
    documented: Annotated[
        str | None, Header(alias="Idempotency-Key", description="at most 255 printable ASCII")
    ] = None,
) -> str | None:
    del documented  # FastAPI keeps only one of several headers.
    return idempotency_key(request)


KeyDep = Annotated[str | None, Depends(_key)]


def storable(text: str, path: str) -> str:
    """Return a query parameter's text, or raise InvalidInputError if it holds NUL.

    PostgreSQL's type `text` cannot store that character.

    Args:
        text: the parameter's value.
        path: the parameter as a JSON Pointer, for the error.
    """
    if "\x00" in text:
        raise InvalidInputError([Issue(path, NUL, "pattern")])
    return text


StatusesDep = Annotated[list[str], Depends(_statuses)]

_PAGE_PARAMETERS = ("sort", "limit", "offset", "cursor", "asOf")

_MODULES = "moduleId"

IGNORED_PREFIX = "_"
"""Query parameters with this prefix are ignored, such as a number that keeps caches away."""


async def _modules(
    module_ids: Annotated[
        list[str] | None,
        Query(
            alias=_MODULES,
            description="only of jobs that belong to this module, or to one of several",
        ),
    ] = None,
) -> frozenset[str]:
    return frozenset(split_words(storable(",".join(module_ids or ()), f"/{_MODULES}")))


ModulesDep = Annotated[frozenset[str], Depends(_modules)]
"""The modules by whose jobs a list is filtered; empty for all."""


async def conditions(request: Request) -> Conditions:
    """Return the query's filters of runs, or raise InvalidInputError."""
    refuse(_issues_of_repeated(request, _PAGE_PARAMETERS))
    words = [
        named(name, value)
        for name, value in request.query_params.multi_items()
        if name not in {*_PAGE_PARAMETERS, _MODULES} and not name.startswith(IGNORED_PREFIX)
    ]
    if modules := request.query_params.getlist(_MODULES):
        # The platform's clients repeat the parameter for several modules.
        words.append(named(_MODULES, ",".join(modules)))
    return conditions_of(words, other_names=_PAGE_PARAMETERS)


ConditionsDep = Annotated[Conditions, Depends(conditions)]
"""Filters of runs: all parameters of the query that do not select a page."""

MAX_SUGGESTIONS = 100
"""Unknown names for which a similar one is searched: for the ten thousand that an address can hold,
the search would take a quarter of a second."""


def refuse_unknown_names(request: HTTPConnection, names: Collection[str]) -> None:
    """Raise InvalidInputError if the query has parameters with other names, or one of them twice.

    If a misspelt filter were ignored, the response would have everything; if the first of two
    values were, it would have less than was requested.
    """
    if not request.scope["query_string"]:
        return
    unknown = [
        name
        for name in dict.fromkeys(request.query_params.keys())
        if name not in names and not name.startswith(IGNORED_PREFIX)
    ]
    messages = [_message_on_unknown(name, names) for name in unknown[:MAX_SUGGESTIONS]]
    messages += [_UNKNOWN] * (len(unknown) - len(messages))
    issues = [
        Issue(f"/{escape(name)}", message, "enum")
        for name, message in zip(unknown, messages, strict=True)
    ]
    refuse([*issues, *_issues_of_repeated(request, names)])


def refuse_misspelt_names(request: HTTPConnection, names: Collection[str]) -> None:
    """Raise InvalidInputError if the query has a name that resembles one of these, or one twice.

    The platform's clients may send other names.
    """
    others = set(request.query_params.keys()) - set(names)
    misspelt = [
        Issue(f"/{escape(name)}", _message_on_unknown(name, names), "enum")
        for name in sorted(others)[:MAX_SUGGESTIONS]
        if similar_name(name, names) and not name.startswith(IGNORED_PREFIX)
    ]
    refuse([*misspelt, *_issues_of_repeated(request, names)])


def _issues_of_repeated(request: HTTPConnection, names: Collection[str]) -> list[Issue]:
    """Return an issue for each of these parameters that the query has twice."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    message = "stands twice; give it once, with commas between several values if it takes several"
    return [
        Issue(f"/{name}", message, "uniqueItems")
        for name, count in counts.items()
        if count > 1 and name in names and name != _MODULES
    ]


_UNKNOWN = "is no parameter of this address"


def _message_on_unknown(name: str, names: Collection[str]) -> str:
    if not names:
        return f"{_UNKNOWN}; it takes none"
    similar = similar_name(name, names)
    if similar:
        return f"{_UNKNOWN}; did you mean {similar}?"
    return f"{_UNKNOWN}; there are {', '.join(sorted(names))}"


def run_id_of(text: str) -> UUID:
    """Return a run's id, or raise NotFoundError if the text is not an id."""
    try:
        return UUID(text)
    except ValueError:
        raise run_not_found() from None


def run_not_found() -> NotFoundError:
    """Return the error for an unknown run."""
    return NotFoundError("run_not_found", "job run not found")


def possible_slug(text: str) -> str:
    """Return the text, or raise NotFoundError if no slug can equal it.

    Only ASCII case is ignored: KELVIN SIGN does not equal `k`.
    """
    if not text.isascii() or "\x00" in text:
        raise job_not_found()
    return text


def job_not_found() -> NotFoundError:
    """Return the error for an unknown job."""
    return NotFoundError("job_not_found", "job not found")
