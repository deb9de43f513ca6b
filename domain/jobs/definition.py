"""A job: what can be launched, with its parameters, limits, timeout and retries.

First why a definition is refused; then the content of a version (`JobSpec`), the events and the
aggregate (`JobDefinition`). Each revision is a new version, and the events keep all versions.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Self, cast

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import cut_to_ms
from domain.errors import ConflictError, InvalidInputError, Issue, refuse
from domain.identifiers import definition_id
from domain.jobs.policies import RateLimit, RetryPolicy, Unique
from domain.json_values import Json, JsonObject, canonical, differing
from domain.personal import MARK, mark_issues, marks
from domain.state import (
    AnyJson,
    BigInt,
    Changes,
    Document,
    Id,
    Integer,
    PlainEvent,
    StateEvent,
    Stateful,
    Text,
    Time,
    spec_upcast,
)
from domain.workers import Isolation

COMMANDS = "command."
"""The prefix of entry points that are command lines declared by operators."""


# Why a definition is refused.

LAST_VERSION = 2**31 - 1
"""The highest version that the tables can hold."""


def job_exists(slug: str) -> ConflictError:
    """Return the error for a job whose slug is taken."""
    return ConflictError("job_exists", f"job {slug} already exists")


def built_in_issues(slug: str, personal: Collection[str], unique: JsonObject | None) -> list[Issue]:
    """Return what is wrong with personal data, or `unique`, of a built-in job."""
    # The service launches their runs itself, with its own parameters.
    if slug.lower() not in BUILT_IN_JOBS:
        return []
    issues: list[Issue] = []
    if personal:
        message = f"the parameters of {slug} are no personal data"
        issues.append(Issue("/parametersSchema", message, MARK))
    if unique is not None:
        message = f"the service itself launches runs of {slug}; leave it out"
        issues.append(Issue("/unique", message, "not"))
    return issues


def isolation_issues(isolation: Isolation, entry_point: str) -> list[Issue]:
    """Return what is wrong with the isolation."""
    needs_a_process = is_built_in_entry_point(entry_point) or entry_point.startswith(COMMANDS)
    if isolation == "process" or not needs_a_process:
        return []
    message = (
        f"must be process for {entry_point}: built-in handlers and commands start programs,"
        " which end with their attempt's process"
    )
    return [Issue("/isolation", message, "isolation")]


RUNTIMES = ("python", "node", "docker", "module")
"""Values of `runtime`. The service stores it unchanged; the entry point alone decides."""


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """The content of a version (contract, section 2); its JSON has the clients' camelCase keys."""

    name: str
    type: str
    entry_point: str
    parameters_schema: JsonObject = field(default_factory=dict)
    default_parameters: JsonObject = field(default_factory=dict)
    timeout_ms: int | None = None
    retry_policy: JsonObject | None = None
    metadata: Json = None
    module_binding: JsonObject | None = None
    owner: str | None = None
    runtime: str = "python"
    output_schema: JsonObject | None = None
    priority: int = 0
    max_concurrent_runs: int | None = None
    concurrency_key: str | None = None
    concurrency_limit: int = 1
    rate_limit: JsonObject | None = None
    fairness_key: str | None = None
    unique_runs: JsonObject | None = None
    start_deadline_ms: int | None = None
    resources: JsonObject | None = None
    worker_labels: dict[str, str] = field(default_factory=dict)
    retention: JsonObject | None = None
    isolation: Isolation = "process"

    @cached_property
    def max_attempts(self) -> int:
        """The number of attempts of a run whose launch does not say otherwise."""
        return RetryPolicy.from_json(self.retry_policy).max_attempts

    @cached_property
    def personal(self) -> dict[str, str]:
        """The parameters that are personal data, each with the parameter that names its subject."""
        return marks(self.parameters_schema)

    @cached_property
    def rate(self) -> RateLimit | None:
        """The rate limit, None for none."""
        return RateLimit.from_json(self.rate_limit)

    @cached_property
    def uniqueness(self) -> Unique | None:
        """The rule by which its runs are unique, None if they are not."""
        return Unique.from_json(self.unique_runs)

    @cached_property
    def open_parameters(self) -> dict[str, str]:
        """The parameters that limits name, each with the pointer of the field that names it.

        The log keeps their values unencrypted.
        """
        paths = {self.concurrency_key: "/concurrencyKey", self.fairness_key: "/fairnessKey"}
        if self.rate is not None:
            paths[self.rate.key] = "/rateLimit/key"
        if self.uniqueness is not None:
            paths |= dict.fromkeys(self.uniqueness.key, "/unique/key")
        return {name: path for name, path in paths.items() if name is not None}

    def content(self) -> dict[str, Any]:
        """Return its fields by name, as events hold them."""
        return {name: getattr(self, name) for name in SPEC_FIELDS}

    def size_bytes(self) -> int:
        """Return its length as JSON."""
        return len(canonical(self.content()))

    def issues(self) -> list[Issue]:
        """Return what is wrong beyond the ranges of single fields."""
        # Imported here, for `jsonschema` takes long to import, and most processes only read jobs.
        from domain.schema.validation import schema_issues  # noqa: PLC0415

        schema = self.parameters_schema
        issues = schema_issues(schema, "/parametersSchema")
        if self.output_schema is not None:
            issues += schema_issues(self.output_schema, "/outputSchema")
        issues += mark_issues(schema, self.default_parameters, self.open_parameters)
        issues += RetryPolicy.from_json(self.retry_policy).issues()
        if self.uniqueness is not None:
            if is_built_in_entry_point(self.entry_point):
                message = f"the service itself launches runs of {self.entry_point}; leave it out"
                issues.append(Issue("/unique", message, "not"))
            issues += self.uniqueness.issues(schema)
        return issues + isolation_issues(self.isolation, self.entry_point)


SPEC_FIELDS = tuple(one.name for one in fields(JobSpec))


BUILT_IN_JOBS: dict[str, JobSpec] = {}
"""The jobs that the program itself registers and launches, by slug in lower case."""


def add_built_in_jobs(specs: Mapping[str, JobSpec]) -> None:
    """Reserve the slugs and entry points of jobs that come with the program, for this process."""
    BUILT_IN_JOBS.update(specs)


def is_built_in_entry_point(entry_point: str) -> bool:
    """Return whether it names a handler that comes with the program."""
    return any(spec.entry_point == entry_point for spec in BUILT_IN_JOBS.values())


class DefinitionState(TypedDict):
    """A job, in the order in which clients see it.

    `paused` has since when it is paused, by whom and why; None if it is not. The row of a deleted
    job is kept, as its runs refer to it.
    """

    id: ReadOnly[Id]
    slug: ReadOnly[Text]
    name: ReadOnly[Text]
    version: ReadOnly[Integer]
    type: ReadOnly[Text]
    runtime: ReadOnly[Text]
    entry_point: ReadOnly[Text]
    parameters_schema: ReadOnly[Document]
    default_parameters: ReadOnly[Document]
    output_schema: ReadOnly[Document | None]
    timeout_ms: ReadOnly[Integer | None]
    retry_policy: ReadOnly[Document | None]
    metadata: ReadOnly[AnyJson]
    module_binding: ReadOnly[Document | None]
    owner: ReadOnly[Text | None]
    priority: ReadOnly[Integer]
    max_concurrent_runs: ReadOnly[Integer | None]
    concurrency_key: ReadOnly[Text | None]
    concurrency_limit: ReadOnly[Integer]
    rate_limit: ReadOnly[Document | None]
    fairness_key: ReadOnly[Text | None]
    unique_runs: ReadOnly[Document | None]
    start_deadline_ms: ReadOnly[BigInt | None]
    resources: ReadOnly[Document | None]
    worker_labels: ReadOnly[Annotated[dict[str, str], "jsonb"]]
    retention: ReadOnly[Document | None]
    isolation: ReadOnly[Annotated[Isolation, "text"]]
    paused: ReadOnly[Document | None]
    deleted_at: ReadOnly[Time | None]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]


class SpecEvent:
    """Base of the events that hold all of a job's content, in its newest shape."""

    class_version = 10
    upcast_v1_v2 = spec_upcast("concurrency_limit", 1)
    upcast_v2_v3 = spec_upcast("worker_labels", {})
    upcast_v3_v4 = spec_upcast("rate_limit", None)
    upcast_v4_v5 = spec_upcast("retention", None)
    upcast_v5_v6 = spec_upcast("unique_runs", None)
    upcast_v6_v7 = spec_upcast("fairness_key", None)
    upcast_v7_v8 = spec_upcast("isolation", "process")
    upcast_v8_v9 = spec_upcast("module_binding", None)
    upcast_v9_v10 = spec_upcast("owner", None)


class JobDefinition(Stateful[DefinitionState], Aggregate):
    """Aggregate of a definition in its current version.

    Runs are pinned to versions; the content of earlier ones is in its events
    (`domain.commands.application.LogRepository.pinned_spec`).
    """

    TOPIC = "job_definition"
    STATE = DefinitionState
    CACHED = ("spec",)

    class Event(StateEvent):
        """Base of the definition's events."""

        TOPIC = "job_definition.event"

    class Registered(SpecEvent, Event, Aggregate.Created):
        """The job was registered."""

        TOPIC = "job_definition.registered"
        slug: str
        version: int
        spec: dict[str, Any]

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            return {
                **cast("JsonObject", event.data["spec"]),
                "id": str(event.aggregate_id),
                "slug": event.data["slug"],
                "version": event.data["version"],
                "created_at": event.at,
            }

    class Revised(Event):
        """The job has a new version; `changes` holds the fields that differ from the last one."""

        TOPIC = "job_definition.revised"
        version: int
        changes: dict[str, Any]

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            changes = cast("JsonObject", event.data["changes"])
            return {**changes, "version": event.data["version"]}

    class Paused(Event):
        """No run of the job may start; `by` is who paused it."""

        TOPIC = "job_definition.paused"
        by: str
        reason: str | None

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            by, reason = event.data["by"], event.data["reason"]
            return {"paused": {"at": event.at, "by": by, "reason": reason}}

    class Resumed(Event):
        """Waiting runs may start again."""

        TOPIC = "job_definition.resumed"

        @staticmethod
        def evolve(*_: object) -> Changes:
            return {"paused": None}

    class Deleted(Event):
        """The job was deleted; its history stays."""

        TOPIC = "job_definition.deleted"

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            return {"deleted_at": event.at}

    class RegisteredAgain(SpecEvent, Event):
        """The job was registered again after its deletion; its versions continue."""

        TOPIC = "job_definition.registered_again"
        slug: str
        version: int
        spec: dict[str, Any]

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            return {
                **cast("JsonObject", event.data["spec"]),
                "slug": event.data["slug"],
                "version": event.data["version"],
                "paused": None,
                "deleted_at": None,
            }

    @property
    def slug(self) -> str:
        return self.state["slug"]

    @property
    def public_id(self) -> str:
        return self.slug

    @property
    def current(self) -> int:
        """The number of the current version."""
        return self.state["version"]

    @cached_property
    def spec(self) -> JobSpec:
        """The content of the current version."""
        content: dict[str, Any] = {**self.state}
        return JobSpec(**{name: content[name] for name in SPEC_FIELDS})

    @property
    def is_paused(self) -> bool:
        return self.state["paused"] is not None

    @property
    def is_deleted(self) -> bool:
        return self.state["deleted_at"] is not None

    @classmethod
    def register(cls, slug: str, spec: JobSpec, version: int, now: datetime) -> Self:
        """Register a job.

        The log refuses a slug that is taken, as the id is derived from it.

        Raises:
            InvalidInputError: the content is wrong.
        """
        refuse(spec.issues() + built_in_issues(slug, spec.personal, spec.unique_runs))
        return cls._create(
            cls.Registered,
            id=definition_id(slug),
            timestamp=cut_to_ms(now),
            slug=slug,
            version=version,
            spec=spec.content(),
        )

    def revise(self, changes: dict[str, Any], version: int | None, now: datetime) -> None:
        """Make a new version, unless nothing would change.

        Args:
            changes: new values of fields of `JobSpec`.
            version: its number; None or the current number for the next one.
            now: the database's present.

        Raises:
            InvalidInputError: the version is below the current one, or the new content is wrong.
            ConflictError: `no_more_versions`, the current version is the last possible one.
        """
        if version == self.current:  # Clients send back what they were sent.
            version = None
        if version is not None and version < self.current:
            message = f"must not be below the current version, {self.current}"
            raise InvalidInputError([Issue("/version", message, "minimum")])
        changed = differing(changes, vars(self.spec))
        if not changed and version is None:
            return
        version = version or self._next_version()
        new = replace(self.spec, **changed)
        refuse(new.issues() + built_in_issues(self.slug, new.personal, new.unique_runs))
        self.trigger_event(self.Revised, timestamp=self._at(now), version=version, changes=changed)

    def _next_version(self) -> int:
        if self.current >= LAST_VERSION:
            message = f"version {LAST_VERSION} is the last one that a job can have"
            raise ConflictError("no_more_versions", message)
        return self.current + 1

    def pause(self, by: str, reason: str | None, now: datetime) -> None:
        """Let no run of the job start; running ones continue.

        If it is paused already, nothing changes: the first reason stays.
        """
        if self.is_paused:
            return
        self.trigger_event(self.Paused, timestamp=self._at(now), by=by, reason=reason)

    def resume(self, now: datetime) -> None:
        """Let waiting runs start again, if the job is paused."""
        if self.is_paused:
            self.trigger_event(self.Resumed, timestamp=self._at(now))

    def delete(self, now: datetime, *, has_unfinished_runs: bool) -> None:
        """Delete the job. Its history stays, and its slug may be registered again.

        Raises:
            ConflictError: `job_is_built_in`; `job_has_unfinished_runs`.
        """
        if self.slug.lower() in BUILT_IN_JOBS:
            message = f"the service itself launches runs of {self.slug}; pause it instead"
            raise ConflictError("job_is_built_in", message)
        if has_unfinished_runs:
            message = (
                "runs of it are pending or running; cancel them or wait for their end:"
                f" GET /job-runs?job={self.slug}&status=pending,running"
            )
            raise ConflictError("job_has_unfinished_runs", message)
        self.trigger_event(self.Deleted, timestamp=self._at(now))

    def register_again(self, slug: str, spec: JobSpec, version: int | None, now: datetime) -> None:
        """Register the job again after its deletion.

        Runs stay pinned to versions, so no number is used twice.

        Args:
            slug: the same but for its case.
            spec: its content.
            version: higher than all before; None for the next one.
            now: the database's present.

        Raises:
            InvalidInputError: the version was used before, or the content is wrong.
            ConflictError: `job_exists`, the job is not deleted; `no_more_versions`.
        """
        if not self.is_deleted:
            raise job_exists(slug)
        refuse(spec.issues() + built_in_issues(slug, spec.personal, spec.unique_runs))
        if version is not None and version <= self.current:
            message = (
                f"must be above {self.current}, the last version before the job was deleted;"
                " left out, it is the next one"
            )
            raise InvalidInputError([Issue("/version", message, "minimum")])
        self.trigger_event(
            self.RegisteredAgain,
            timestamp=self._at(now),
            slug=slug,
            version=version or self._next_version(),
            spec=spec.content(),
        )
