"""What routes depend on: the service's parts, the principal, and pages.

First cursors, which say where a page ended: so a page costs the same however many came before it,
and whatever is added in between. Then the dependencies of FastAPI, and the look-ups that many
routes share.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, cast
from uuid import UUID, uuid4

from fastapi import Depends, Header, Query, Request
from starlette.requests import HTTPConnection

from api.access import headers, principal_of
from api.bootstrap.service import Service
from api.http.costs import causes_of, while_client_waits
from api.http.query_names import PRIVATE
from domain.errors import InvalidInputError, Issue, NotFoundError
from domain.filters import Conditions, conditions_of, named
from domain.jobs.run_events import STATUSES
from domain.json_values import JsonObject
from domain.ports import Origin
from domain.quarantine import Quarantine
from eventlog.keys import LogFiles
from projections import job_definitions
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import RunRow
from projections.rows import Connection

MAX_DIGITS = 18
"""So many decimal digits fit into 64 bits."""

CURSOR = rf"^[0-9]{{1,{MAX_DIGITS}}}$"
CURSOR_OR_NONE = rf"^[0-9]{{0,{MAX_DIGITS}}}$"

OptionalCursor = Annotated[
    str | None,
    Query(
        description="`nextCursor` of the page before;"
        " empty for the first page: then `meta` tells cursors",
        json_schema_extra={"pattern": CURSOR_OR_NONE},
    ),
]


MOST = 1_000
"""The longest page of a history, and its length if none is asked for."""

PartLimit = Annotated[int | None, Query(ge=1, le=MOST)]


def part_meta(limit: int | None, following: int | None) -> JsonObject:
    """Return the `meta` of a page of a history.

    Args:
        limit: as asked for.
        following: which of its events the next page begins behind; None at the end.
    """
    cursor: str | None = None
    if following is not None:
        cursor = str(following)
    return cursor_meta(limit or MOST, cursor)


def cursor_meta(limit: int, next_cursor: str | None) -> JsonObject:
    """Return the `meta` of a page behind which others follow if it has a next cursor."""
    return {"limit": limit, "hasMore": next_cursor is not None, "nextCursor": next_cursor}


def position_of(cursor: str) -> int:
    """Return the place in the log at which the page before ended.

    Raises:
        InvalidInputError: it is no cursor of ours.
    """
    is_number = cursor.isascii() and cursor.isdigit()
    if not is_number or len(cursor) > MAX_DIGITS:
        issue = Issue("/cursor", "must be the nextCursor of another page", "pattern")
        raise InvalidInputError([issue])
    return int(cursor)


def next_cursor(runs: Sequence[RunRow], has_more: bool) -> str | None:  # noqa: FBT001 - what lists return
    """Return the cursor of the page after these runs, None where there is none."""
    if not has_more or not runs:
        return None
    last = runs[-1]
    return str(last["created_position"])


def service_of(connection: HTTPConnection) -> Service:
    """Return the process's service."""
    return cast("Service", connection.app.state.service)


# Dependencies are coroutines although they wait for nothing: FastAPI sends plain functions to a
# pool of threads, and four hand-overs a launch took a tenth of its processor time.


async def _service(connection: HTTPConnection) -> Service:
    return service_of(connection)


ServiceDep = Annotated[Service, Depends(_service)]


async def _connection(request: Request, service: ServiceDep) -> AsyncIterator[Connection]:
    async with connection_for(request, service, causes_of(request.query_params)) as one:
        yield one


@asynccontextmanager
async def connection_for(
    request: Request, service: Service, causes: Sequence[str]
) -> AsyncIterator[Connection]:
    """Lend a connection for a question.

    Args:
        request: whose client waits for the answer.
        service: the process's.
        causes: what makes the question costly (`causes_of`); nothing if it is cheap.

    Raises:
        OverloadedError, TooCostlyError: as `CostlyReads.turn`.
        ClientDisconnect: nobody waits any more.
    """
    if not causes:
        async with service.pool.connection() as connection:
            yield connection
        return
    async with while_client_waits(request), service.costly.turn(causes) as connection:
        yield connection


async def _files(service: ServiceDep) -> LogFiles:
    return service.files


async def _quarantine(service: ServiceDep) -> Quarantine:
    return service.jobs.quarantine


def reader_of(request: HTTPConnection) -> str:
    """Name who asks, or raise UnauthenticatedError or ForbiddenError."""
    settings = service_of(request).settings
    return principal_of(request, settings.tokens, settings.origins, to_write=False)


async def _reader(request: Request) -> str:
    return reader_of(request)


def origin_of(request: HTTPConnection) -> Origin:
    """Name who asks as the actor, and the request as the cause of all that follows."""
    settings = service_of(request).settings
    actor = principal_of(request, settings.tokens, settings.origins, to_write=True)
    return Origin(actor, causation_id=uuid4())


async def _origin(request: Request) -> Origin:
    return origin_of(request)


ConnectionDep = Annotated[Connection, Depends(_connection, scope="function")]
FilesDep = Annotated[LogFiles, Depends(_files)]
QuarantineDep = Annotated[Quarantine, Depends(_quarantine)]
OriginDep = Annotated[Origin, Depends(_origin)]
MayRead = Depends(_reader)

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
    return known_parts(status, STATUSES, "status")


def parts_of(text: str) -> list[str]:
    """Return what a text names between commas and blanks."""
    return text.replace(",", " ").split()


def known_parts(text: str | None, known: Sequence[str], field: str) -> list[str]:
    """Return which of the known words a query parameter names, in any case, each once.

    Raises:
        InvalidInputError: it names another one.
    """
    words = parts_of(text or "")
    wanted = dict.fromkeys(word.lower() for word in words)
    for word in wanted:
        if word in known:
            continue
        remedy = ", ".join(known)
        message = f"unknown {field} {word!r}; there are {remedy}"
        raise InvalidInputError([Issue(f"/{field}", message, "enum")])
    return list(wanted)


def idempotency_key(request: HTTPConnection) -> str | None:
    """Return the header's value, or raise InvalidInputError."""
    values = headers(request, b"idempotency-key")
    if not values:
        return None
    if len(values) > 1:
        message = "must be given once"
        raise InvalidInputError([Issue("/Idempotency-Key", message, "maxItems")])
    [given] = values
    printable = given.isascii() and given.isprintable()
    if not (printable and 1 <= len(given) <= 255):  # noqa: PLR2004 - the contract's number
        message = "must be 1 to 255 printable ASCII characters"
        raise InvalidInputError([Issue("/Idempotency-Key", message, "pattern")])
    return given


def _key(
    request: Request,
    documented: Annotated[
        str | None, Header(alias="Idempotency-Key", description="at most 255 printable ASCII")
    ] = None,
) -> str | None:
    del documented  # It would be one of several.
    return idempotency_key(request)


KeyDep = Annotated[str | None, Depends(_key)]


def storable(text: str, path: str) -> str:
    """Return a query parameter's text, or raise InvalidInputError: no database holds NUL."""
    if "\x00" in text:
        raise InvalidInputError([Issue(path, "a NUL character", "pattern")])
    return text


StatusesDep = Annotated[list[str], Depends(_statuses)]

_OF_PAGES = ("limit", "offset", "cursor", "asOf")

_MODULES = "moduleId"


async def _modules(
    module_ids: Annotated[
        list[str] | None,
        Query(
            alias=_MODULES,
            description="only of jobs that belong to this module, or to one of several",
        ),
    ] = None,
) -> frozenset[str]:
    return frozenset(parts_of(storable(",".join(module_ids or ()), f"/{_MODULES}")))


ModulesDep = Annotated[frozenset[str], Depends(_modules)]
"""The modules by whose jobs a list is filtered; empty for all."""


async def conditions(request: Request) -> Conditions:
    """Return what the query asks of runs, or raise InvalidInputError."""
    words = [
        named(name, value)
        for name, value in request.query_params.multi_items()
        if name not in {*_OF_PAGES, _MODULES} and not name.startswith(PRIVATE)
    ]
    if modules := request.query_params.getlist(_MODULES):
        # The platform's clients name each of several by itself.
        words.append(named(_MODULES, ",".join(modules)))
    return conditions_of(words, beside=_OF_PAGES)


ConditionsDep = Annotated[Conditions, Depends(conditions)]
"""Which runs are wanted: all parameters of the query that do not say which page."""


def run_id_of(text: str) -> UUID:
    """Return a run's id, or raise NotFoundError: what is no id names no run."""
    try:
        return UUID(text)
    except ValueError:
        raise run_not_found() from None


def run_not_found() -> NotFoundError:
    """Return the answer to an unknown run."""
    return NotFoundError("run_not_found", "job run not found")


async def known_job(connection: Connection, slug: str) -> JobDefinitionRow:
    """Return a job's row, or raise NotFoundError `job_not_found`."""
    row = await job_definitions.by_slug(connection, possible_slug(slug))
    job = job_definitions.unless_deleted(row)
    if job is None:
        raise job_not_found()
    return job


def possible_slug(text: str) -> str:
    """Return the text, or raise NotFoundError where no slug can be the same but for its case.

    Case is ignored in ASCII alone, so KELVIN SIGN is no `k`.
    """
    if not text.isascii() or "\x00" in text:
        raise job_not_found()
    return text


def job_not_found() -> NotFoundError:
    """Return the answer to an unknown job."""
    return NotFoundError("job_not_found", "job not found")
