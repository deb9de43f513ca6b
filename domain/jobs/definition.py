"""A job: what may be launched, with which parameters, time and retries.

Each revision is a version of its own, and its events keep all of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from eventsourcing.domain import Aggregate

from domain.clock import cut_to_ms
from domain.errors import ConflictError, InvalidInputError, Issue
from domain.identifiers import definition_id
from domain.jobs.reserved import BUILD_SLUG, INGEST_SLUG
from domain.jobs.retry_policy import RetryPolicy, policy_issues
from domain.json_values import Json, JsonObject, canonical, escape
from domain.personal.marks import MARK, mark_issues, marks
from domain.schema.validation import schema_issues

LAST_VERSION = 2**31 - 1
"""The last one that the tables can hold."""

RUNTIMES = ("python", "node", "docker", "module")
"""What a definition may say it is for. It is kept as given; the entry point alone decides."""

MAX_KEY_BYTES = 1_000
"""A concurrency key's value as JSON: an index holds it, whose entries end below 2 704 bytes."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a version of a definition says. The contract's section 2 gives each field's rule.

    JSON parts (`parameters_schema`, `retry_policy`, …) are normalised and keep the clients'
    camelCase keys.
    """

    name: str
    type: str
    entry_point: str
    parameters_schema: JsonObject = field(default_factory=dict)
    default_parameters: JsonObject = field(default_factory=dict)
    timeout_ms: int | None = None
    retry_policy: JsonObject | None = None
    metadata: Json = None
    runtime: str = "python"
    output_schema: JsonObject | None = None
    priority: int = 0
    max_concurrent_runs: int | None = None
    concurrency_key: str | None = None
    start_deadline_ms: int | None = None
    resources: JsonObject | None = None

    @cached_property
    def max_attempts(self) -> int:
        """How many attempts a run gets unless its launch says otherwise."""
        return RetryPolicy.from_json(self.retry_policy).max_attempts

    @cached_property
    def personal(self) -> dict[str, str]:
        """The parameters that are personal data, each with the parameter that names its subject."""
        return marks(self.parameters_schema)

    def size_bytes(self) -> int:
        """Return how long it is as JSON."""
        return len(canonical(vars(self)))

    def issues(self) -> list[Issue]:
        """Return what is wrong beyond the ranges of single fields."""
        schema = self.parameters_schema
        found = schema_issues(schema, "/parametersSchema")
        if self.output_schema is not None:
            found += schema_issues(self.output_schema, "/outputSchema")
        found += mark_issues(schema, self.default_parameters, self.concurrency_key)
        found += policy_issues(self.retry_policy)
        return found


SPEC_FIELDS = tuple(one.name for one in fields(Spec))


class JobDefinition(Aggregate):
    """Aggregate of a definition in its current version.

    What runs that are pinned to an earlier one obey, its events tell
    (`domain.commands.application.LogApplication.pinned_spec`).
    """

    TOPIC = "job_definition"

    class Event(Aggregate.Event):
        """Base of the definition's events."""

        TOPIC = "job_definition.event"

    class Registered(Event, Aggregate.Created):
        """The job exists from now on."""

        TOPIC = "job_definition.registered"
        slug: str
        version: int
        spec: dict[str, Any]

    class Revised(Event):
        """The job has a new version; `changes` holds the fields that differ from the last one."""

        TOPIC = "job_definition.revised"
        version: int
        changes: dict[str, Any]

        def apply(self, aggregate: JobDefinition) -> None:
            aggregate.spec = replace(aggregate.spec, **self.changes)
            aggregate.current = self.version

    def __init__(self, slug: str, version: int, spec: dict[str, Any]) -> None:
        self.slug = slug
        self.current = version
        self.spec = Spec(**spec)

    @classmethod
    def register(
        cls, slug: str, spec: Spec, version: int, now: datetime
    ) -> JobDefinition:
        """Register a job.

        That its slug is free is decided by the log, for the id is derived from the slug.

        Raises:
            InvalidInputError: a schema is none, or the retry policy contradicts itself.
        """
        _refuse(spec.issues() + _catalog_issues(slug, spec))
        return cls._create(
            cls.Registered,
            id=definition_id(slug),
            timestamp=cut_to_ms(now),
            slug=slug,
            version=version,
            spec=asdict(spec),
        )

    def revise(
        self, changes: dict[str, Any], version: int | None, now: datetime
    ) -> None:
        """Make a new version, unless nothing would change.

        Args:
            changes: the given fields of `Spec`.
            version: its number; None, or the current one, for the next one.
            now: the database's present.

        Raises:
            InvalidInputError: the version is below the current one, or the new content is wrong.
            ConflictError: `no_more_versions`, the current one is the last that there can be.
        """
        if version == self.current:  # Clients send back what they were shown.
            version = None
        if version is not None and version < self.current:
            message = f"must not be below the current version, {self.current}"
            raise InvalidInputError([Issue("/version", message, "minimum")])
        differing = _differing(changes, self.spec)
        if not differing and version is None:
            return
        if version is None and self.current >= LAST_VERSION:
            message = f"version {LAST_VERSION} is the last one that a job can have"
            raise ConflictError("no_more_versions", message)
        new = replace(self.spec, **differing)
        _refuse(new.issues() + _catalog_issues(self.slug, new))
        at = max(cut_to_ms(now), self.modified_on)
        self.trigger_event(
            self.Revised,
            timestamp=at,
            version=version or self.current + 1,
            changes=differing,
        )


def concurrency_value(spec: Spec, parameters: JsonObject) -> str | None:
    """Return what runs of one job must not share while running, as canonical JSON.

    None: nothing binds them.
    """
    key = spec.concurrency_key
    if key is None or key not in parameters:
        return None
    return canonical(parameters[key]).decode()


def key_issues(spec: Spec, parameters: JsonObject) -> list[Issue]:
    """Return what is wrong with the value by which the job's runs take turns."""
    value = concurrency_value(spec, parameters)
    if value is None or len(value.encode()) <= MAX_KEY_BYTES:
        return []
    key = escape(str(spec.concurrency_key))
    message = (
        f"runs take turns by this, so it has at most {MAX_KEY_BYTES} bytes as JSON"
    )
    return [Issue(f"/parameters/{key}", message, "maxLength")]


def _differing(changes: dict[str, Any], spec: Spec) -> dict[str, Any]:
    old = asdict(spec)

    def differs(name: str) -> bool:
        return canonical(changes[name]) != canonical(old[name])

    return {name: new for name, new in changes.items() if differs(name)}


def _catalog_issues(slug: str, spec: Spec) -> list[Issue]:
    # Their runs are launched by the service itself, with ids of apps and builds.
    if spec.personal and slug.lower() in {INGEST_SLUG, BUILD_SLUG}:
        return [
            Issue(
                "/parametersSchema",
                f"the parameters of {slug} are no personal data",
                MARK,
            )
        ]
    return []


def _refuse(issues: list[Issue]) -> None:
    if issues:
        raise InvalidInputError(issues)
