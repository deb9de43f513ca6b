"""Where the commands of events read events: from a service by HTTP, or from a database."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol
from uuid import UUID

import typer

from apphub_jobs.client import Client, NotFoundError
from cli.options import KeyedLogOptions, ServiceUrl, Token, failure
from cli.run_ids import LAST, ambiguous, find_run, is_short, refuse
from cli.service import ServiceOptions
from domain.errors import InvalidInputError
from eventlog.database.connection import Database
from eventlog.database.listener import Listener, Signal
from eventlog.history.audit import Audit, EventFilter, Page
from projections.envelope import Envelope
from projections.rows import read_texts
from projections.runs.filters import id_range
from runtime.tasks import Supervision

POLL_S = 1.0

MAX_PAGE = 1_000

NAMES_KEPT = 10_000
"""Names in memory after a page: `events tail` may see the events of runs for months."""


@dataclass(frozen=True)
class SourceOptions(KeyedLogOptions):
    """The service whose events are read, or its database."""

    url: ServiceUrl = None
    token: Token = None


@dataclass(frozen=True, kw_only=True)
class EventQuery:
    """A filter of events, with the names of the API's query; an empty field selects all."""

    type: str = ""
    subject: str = ""
    actor: str = ""
    correlation: str = ""
    since: str = ""
    until: str = ""


class Source(Protocol):
    """A source of events, in log order."""

    async def page(self, query: EventQuery, after: int, limit: int) -> Page:
        """Return the next events after a position."""

    async def names(self, events: Sequence[Envelope]) -> dict[UUID, str]:
        """Return the names of the events' aggregates (slug or app id); some may be missing."""

    async def head(self) -> int:
        """Return the log's last position."""

    async def wait(self) -> None:
        """Wait until there may be more events."""

    async def run_id(self, text: str) -> str:
        """Return the full id of a run: of the `last` one, or by the start of its id."""


async def all_pages(
    source: Source, query: EventQuery, after: int = 0
) -> AsyncIterator[list[Envelope]]:
    """Yield all matching events, page by page, up to the log's head."""
    position: int | None = after
    while position is not None:
        page = await source.page(query, position, MAX_PAGE)
        yield page.events
        position = page.next


def service_url(context: typer.Context, options: SourceOptions) -> str | None:
    """Return the address of the service to read from; None to read a database.

    Typed options take precedence over variables, and a service over a database.
    """
    is_database_typed = _is_typed(context, "database_url") and not _is_typed(context, "url")
    if options.database_url is not None and (options.url is None or is_database_typed):
        return None
    return ServiceOptions(options.url, data_dir=options.data_dir).address


def _is_typed(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


class ServiceSource:
    """Events read from a service by HTTP."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names: dict[UUID, str] = {}

    async def page(self, query: EventQuery, after: int, limit: int) -> Page:
        """Request a page."""
        filters = {name: value for name, value in asdict(query).items() if value}
        answer: Any = self._client.request(
            "GET", "/events", query={**filters, "after": after, "limit": limit}
        )
        events = [_envelope(document) for document in answer["data"]]
        return Page(events, answer["meta"]["next"], after)

    async def names(self, events: Sequence[Envelope]) -> dict[UUID, str]:
        """Return names from the events that have them; those of earlier runs are requested."""
        for event in events:
            name = event.data.get("slug") or event.data.get("repository_id")
            if isinstance(name, str):
                self._names[event.aggregate_id] = name
        for event in events:
            if event.subject == "job_run" and event.aggregate_id not in self._names:
                with suppress(NotFoundError):
                    run = self._client.run(str(event.aggregate_id))
                    self._names[event.aggregate_id] = run.document.slug
        names = self._names.copy()
        while len(self._names) > NAMES_KEPT:
            self._names.pop(next(iter(self._names)))
        return names

    async def head(self) -> int:
        """Request the log's last position."""
        answer: Any = self._client.request("GET", "/events/seal")
        return int(answer["data"]["position"])

    async def wait(self) -> None:
        """Pause before the next request."""
        await asyncio.sleep(POLL_S)

    async def run_id(self, text: str) -> str:
        """Request the run's id."""
        return find_run(self._client, text).id


class DatabaseSource:
    """The events in a database, and in its archive."""

    def __init__(self, database: Database, audit: Audit, signal: Signal) -> None:
        self._database = database
        self._audit = audit
        self._signal = signal

    async def page(self, query: EventQuery, after: int, limit: int) -> Page:
        """Read a page."""
        return await self._audit.page(_event_filter(query), after, limit)

    async def names(self, events: Sequence[Envelope]) -> dict[UUID, str]:
        """Read the names from the tables."""
        return await self._audit.names(events)

    async def head(self) -> int:
        """Read the log's last position."""
        return await self._audit.head()

    async def wait(self) -> None:
        """Wait for a notification, or for `POLL_S`."""
        await self._signal.wait(POLL_S)

    async def run_id(self, text: str) -> str:
        """Read the run's id."""
        if text == LAST:
            ids = await self._ids("ORDER BY created_position DESC LIMIT 1", {})
            return ids[0] if ids else refuse("there are no runs yet")
        first_id, last_id = id_range(text)
        values = {"first_id": first_id, "last_id": last_id}
        ids = await self._ids(
            "WHERE id BETWEEN %(first_id)s AND %(last_id)s ORDER BY id LIMIT 6", values
        )
        if not ids:
            refuse(f"run not found: no id starts with {text}")
        if len(ids) > 1:
            refuse(ambiguous(text, ids))
        return ids[0]

    async def _ids(self, clause: str, values: Mapping[str, object]) -> list[str]:
        async with await self._database.connect() as connection:
            return await read_texts(connection, f"SELECT id::text FROM job_runs {clause}", values)


@asynccontextmanager
async def database_source(database: Database) -> AsyncIterator[DatabaseSource]:
    """Open a source that reads a database."""
    listener = Listener(database)
    async with database.pool(2) as pool:
        await listener.start(Supervision())
        try:
            yield DatabaseSource(database, Audit(pool, database.files), listener.signal())
        finally:
            await listener.stop()


async def with_run_id(source: Source, query: EventQuery) -> EventQuery:
    """Return the query with the full id if its subject is a run by a short id or `last`."""
    kind, _, name = query.subject.rpartition(":")
    if kind in {"", "job_run"} and (name == LAST or is_short(name)):
        return replace(query, subject=await source.run_id(name.lower()))
    return query


def _event_filter(query: EventQuery) -> EventFilter:
    try:
        return EventFilter.parse(
            types=query.type,
            subject=query.subject,
            actor=query.actor,
            correlation=query.correlation,
            since=query.since,
            until=query.until,
        )
    except InvalidInputError as error:
        [issue] = error.issues
        raise failure(f"--{issue.path.removeprefix('/')}: {issue.message}") from None


def _envelope(document: Any) -> Envelope:
    """Return the envelope of an event in the API's JSON."""
    return Envelope(
        aggregate_id=UUID(document["subject"]["id"]),
        version=document["version"],
        position=document["position"],
        topic=document["type"],
        at=document["occurredAt"],
        data=document["data"],
        recorded_at=document["recordedAt"],
        actor=document["actor"],
        correlation_id=document["correlationId"],
        causation_id=document["causationId"],
    )
