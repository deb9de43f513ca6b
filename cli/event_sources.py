"""Where the commands of events read: the service, by HTTP, or a database that is named."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Protocol
from uuid import UUID

import typer

from api.data_directory import directory_of
from apphub_jobs.client import Client, NotFoundError
from cli.options import KeyedLogOptions, failure
from cli.process.announcement import services
from cli.run_ids import LAST, ambiguous, find_run, is_short, refuse
from domain.errors import InvalidInputError
from eventlog.database.connection import Database
from eventlog.database.listener import Listener, Signal
from eventlog.history.audit import Audit, EventFilter, Page
from projections.envelope import Envelope
from projections.rows import read_texts
from projections.runs.lists import id_range
from runtime.tasks import Supervision

POLL_S = 1.0

MOST_ON_A_PAGE = 1_000


@dataclass(frozen=True)
class SourceOptions(KeyedLogOptions):
    """The service whose events are read, or its database."""

    url: Annotated[
        str | None,
        typer.Option(
            envvar="APPHUB_URL",
            help="The service's address; else the one that runs in the data directory.",
        ),
    ] = None
    token: Annotated[
        str | None,
        typer.Option(envvar="APPHUB_TOKEN", help="Who asks, where the service wants to know."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events; what is empty selects all. As the API's query names its parts."""

    type: str = ""
    subject: str = ""
    actor: str = ""
    correlation: str = ""
    since: str = ""
    until: str = ""


class Source(Protocol):
    """Gives events, in log order."""

    async def page(self, wanted: Wanted, after: int, limit: int) -> Page:
        """Return the next events after a position."""

    async def names(self, events: Sequence[Envelope]) -> dict[UUID, str]:
        """Return what people call what the events are about, as far as that is known."""

    async def head(self) -> int:
        """Return the log's last position."""

    async def wait(self) -> None:
        """Wait until there may be more."""

    async def run_id(self, text: str) -> str:
        """Return the id of the run that somebody calls `last`, or by the start of its id."""


async def everything(
    source: Source, wanted: Wanted, after: int = 0
) -> AsyncIterator[list[Envelope]]:
    """Yield all matching events, page by page, up to the log's present end."""
    position: int | None = after
    while position is not None:
        page = await source.page(wanted, position, MOST_ON_A_PAGE)
        yield page.events
        position = page.next


def service_url(context: typer.Context, place: SourceOptions) -> str | None:
    """Return the address of the service to ask, None where a database is to be read.

    What was typed counts before what the environment says, and a service before a database.
    """
    if place.database_url is not None and (
        place.url is None or (_is_typed(context, "database_url") and not _is_typed(context, "url"))
    ):
        return None
    if place.url is not None:
        return place.url
    running = services(directory_of(place.data_dir))
    return running[0] if running else None


def _is_typed(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


class ServiceSource:
    """The events that a service shows."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names: dict[UUID, str] = {}

    async def page(self, wanted: Wanted, after: int, limit: int) -> Page:
        """Ask for a page."""
        parts = {name: value for name, value in asdict(wanted).items() if value}
        query = {**parts, "after": after, "limit": limit}
        answer: Any = self._client.request("GET", "/events", query=query)
        events = [_envelope(document) for document in answer["data"]]
        return Page(events, answer["meta"]["next"], after)

    async def names(self, events: Sequence[Envelope]) -> dict[UUID, str]:
        """Take the names from the events that give them, and ask for runs that began earlier."""
        for event in events:
            name = event.data.get("slug") or event.data.get("repository_id")
            if isinstance(name, str):
                self._names[event.aggregate_id] = name
        for event in events:
            if event.subject == "job_run" and event.aggregate_id not in self._names:
                with suppress(NotFoundError):
                    run = self._client.run(str(event.aggregate_id))
                    self._names[event.aggregate_id] = run.document.slug
        return self._names

    async def head(self) -> int:
        """Ask how far the log goes."""
        answer: Any = self._client.request("GET", "/events/seal")
        return int(answer["data"]["position"])

    async def wait(self) -> None:
        """Wait a moment."""
        await asyncio.sleep(POLL_S)

    async def run_id(self, text: str) -> str:
        """Ask for the run."""
        return find_run(self._client, text).id


class DatabaseSource:
    """The events in a database, and in its archive."""

    def __init__(self, where: Database, audit: Audit, signal: Signal) -> None:
        self._where = where
        self._audit = audit
        self._signal = signal

    async def page(self, wanted: Wanted, after: int, limit: int) -> Page:
        """Read a page."""
        return await self._audit.page(_parsed(wanted), after, limit)

    async def names(self, events: Sequence[Envelope]) -> dict[UUID, str]:
        """Look the names up."""
        return await self._audit.names(events)

    async def head(self) -> int:
        """Read how far the log goes."""
        return await self._audit.head()

    async def wait(self) -> None:
        """Wait for a notification, or a moment."""
        await self._signal.wait(POLL_S)

    async def run_id(self, text: str) -> str:
        """Look for the run."""
        if text == LAST:
            found = await self._ids("ORDER BY created_position DESC LIMIT 1", {})
            return found[0] if found else refuse("there are no runs yet")
        first_id, last_id = id_range(text)
        values = {"first_id": first_id, "last_id": last_id}
        found = await self._ids(
            "WHERE id BETWEEN %(first_id)s AND %(last_id)s ORDER BY id LIMIT 6", values
        )
        if not found:
            refuse(f"run not found: no id starts with {text}")
        if len(found) > 1:
            refuse(ambiguous(text, found))
        return found[0]

    async def _ids(self, which: str, values: Mapping[str, object]) -> list[str]:
        query = f"SELECT id::text FROM job_runs {which}"
        async with await self._where.connect() as connection:
            return await read_texts(connection, query, values)


@asynccontextmanager
async def database_source(where: Database) -> AsyncIterator[DatabaseSource]:
    """Give a source that reads a database."""
    listener = Listener(where)
    async with where.pool(2) as pool:
        await listener.start(Supervision())
        try:
            yield DatabaseSource(where, Audit(pool, where.files), listener.signal())
        finally:
            await listener.stop()


async def with_run_id(source: Source, wanted: Wanted) -> Wanted:
    """Return the same with the whole id where a run is the subject by a shorter name."""
    kind, _, name = wanted.subject.rpartition(":")
    if kind in {"", "job_run"} and (name == LAST or is_short(name)):
        return replace(wanted, subject=await source.run_id(name.lower()))
    return wanted


def _parsed(wanted: Wanted) -> EventFilter:
    try:
        return EventFilter.parse(
            types=wanted.type,
            subject=wanted.subject,
            actor=wanted.actor,
            correlation=wanted.correlation,
            since=wanted.since,
            until=wanted.until,
        )
    except InvalidInputError as error:
        [issue] = error.issues
        option = issue.path.removeprefix("/")
        message = f"--{option}: {issue.message}"
        raise failure(message) from None


def _envelope(document: Any) -> Envelope:
    """Return an event that the API shows as what folds and people read."""
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
