"""A job: what may be launched, with which parameters, time and retries.

Each revision is a version of its own, and its events keep all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from eventsourcing.domain import Aggregate

from domain.clock import cut_to_ms
from domain.errors import InvalidInputError, Issue
from domain.identifiers import definition_id
from domain.jobs.definition_rules import (
    catalog_issues,
    differing,
    isolation_issues,
    job_exists,
    next_version,
    open_parameters,
    refuse,
    refuse_deletion,
    refuse_given_version,
)
from domain.jobs.limits.lifting import WithWholeSpec
from domain.jobs.limits.rate_limit import RateLimit
from domain.jobs.limits.unique import Unique
from domain.jobs.retry_policy import RetryPolicy, policy_issues
from domain.json_values import Json, JsonObject, canonical
from domain.personal.marks import mark_issues, marks
from domain.schema.validation import schema_issues
from domain.workers.isolation import Isolation

RUNTIMES = ("python", "node", "docker", "module")
"""What a definition may say it is for. It is kept as given; the entry point alone decides."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a version says (contract, section 2); JSON parts keep the clients' camelCase keys."""

    name: str
    type: str
    entry_point: str
    parameters_schema: JsonObject = field(default_factory=dict)
    default_parameters: JsonObject = field(default_factory=dict)
    timeout_ms: int | None = None
    retry_policy: JsonObject | None = None
    metadata: Json = None
    module_binding: JsonObject | None = None
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
        """How many attempts a run gets unless its launch says otherwise."""
        return RetryPolicy.from_json(self.retry_policy).max_attempts

    @cached_property
    def personal(self) -> dict[str, str]:
        """The parameters that are personal data, each with the parameter that names its subject."""
        return marks(self.parameters_schema)

    @cached_property
    def rate(self) -> RateLimit | None:
        """How many of its runs may start within a period; None for any number."""
        return RateLimit.from_json(self.rate_limit)

    @cached_property
    def uniqueness(self) -> Unique | None:
        """Which of its runs stand for each other; None where none do."""
        return Unique.from_json(self.unique_runs)

    @cached_property
    def open_parameters(self) -> dict[str, str]:
        """The parameters whose values the log keeps in the open, each with what names it."""
        return open_parameters(
            self.concurrency_key, self.fairness_key, self.rate, self.uniqueness
        )

    def size_bytes(self) -> int:
        """Return how long it is as JSON."""
        return len(canonical(vars(self)))

    def issues(self) -> list[Issue]:
        """Return what is wrong beyond the ranges of single fields."""
        schema = self.parameters_schema
        found = schema_issues(schema, "/parametersSchema")
        if self.output_schema is not None:
            found += schema_issues(self.output_schema, "/outputSchema")
        found += mark_issues(schema, self.default_parameters, self.open_parameters)
        found += policy_issues(self.retry_policy)
        if self.uniqueness is not None:
            found += self.uniqueness.issues(schema, self.entry_point)
        return found + isolation_issues(self.isolation, self.entry_point)


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

    class Registered(WithWholeSpec, Event, Aggregate.Created):
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

    class Paused(Event):
        """Nothing of the job starts from now on; `by` is who wanted that."""

        TOPIC = "job_definition.paused"
        by: str
        reason: str | None

        def apply(self, aggregate: JobDefinition) -> None:
            aggregate.is_paused = True

    class Resumed(Event):
        """What waits may start again."""

        TOPIC = "job_definition.resumed"

        def apply(self, aggregate: JobDefinition) -> None:
            aggregate.is_paused = False

    class Deleted(Event):
        """The job is gone but for its history."""

        TOPIC = "job_definition.deleted"

        def apply(self, aggregate: JobDefinition) -> None:
            aggregate.is_deleted = True

    class RegisteredAgain(WithWholeSpec, Event):
        """The job exists again after its deletion; its versions go on to be counted."""

        TOPIC = "job_definition.registered_again"
        slug: str
        version: int
        spec: dict[str, Any]

        def apply(self, aggregate: JobDefinition) -> None:
            JobDefinition.__init__(aggregate, self.slug, self.version, self.spec)

    def __init__(self, slug: str, version: int, spec: dict[str, Any]) -> None:
        self.slug = slug
        self.current = version
        self.spec = Spec(**spec)
        self.is_paused = False
        self.is_deleted = False

    @classmethod
    def register(
        cls, slug: str, spec: Spec, version: int, now: datetime
    ) -> JobDefinition:
        """Register a job.

        That its slug is free is decided by the log, for the id is derived from the slug.

        Raises:
            InvalidInputError: a schema is none, or the retry policy contradicts itself.
        """
        refuse(spec.issues() + catalog_issues(slug, spec.personal, spec.unique_runs))
        return cls._create(
            cls.Registered,
            id=definition_id(slug),
            timestamp=cut_to_ms(now),
            slug=slug,
            version=version,
            spec={name: getattr(spec, name) for name in SPEC_FIELDS},
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
        changed = differing(changes, vars(self.spec))
        if not changed and version is None:
            return
        new_version = version or next_version(self.current)
        new = replace(self.spec, **changed)
        refuse(new.issues() + catalog_issues(self.slug, new.personal, new.unique_runs))
        self.trigger_event(
            self.Revised,
            timestamp=self._at(now),
            version=new_version,
            changes=changed,
        )

    def pause(self, by: str, reason: str | None, now: datetime) -> None:
        """Let nothing of the job start any more; what runs goes on.

        Paused already, it stays paused by whoever was first, and for their reason.
        """
        if self.is_paused:
            return
        self.trigger_event(self.Paused, timestamp=self._at(now), by=by, reason=reason)

    def resume(self, now: datetime) -> None:
        """Let what waits start again, if the job is paused."""
        if self.is_paused:
            self.trigger_event(self.Resumed, timestamp=self._at(now))

    def delete(self, now: datetime, *, has_unfinished_runs: bool) -> None:
        """Delete the job. Its history stays, and its slug may be registered again.

        Raises:
            ConflictError: `job_is_built_in`; `job_has_unfinished_runs`.
        """
        refuse_deletion(self.slug, has_unfinished_runs=has_unfinished_runs)
        self.trigger_event(self.Deleted, timestamp=self._at(now))

    def register_again(
        self, slug: str, spec: Spec, version: int | None, now: datetime
    ) -> None:
        """Register the job again after its deletion.

        Runs are pinned to versions for good, so none is ever given twice.

        Args:
            slug: perhaps in other letters.
            spec: its content.
            version: above all before; None for the next one.
            now: the database's present.

        Raises:
            InvalidInputError: the version was given before, or the content is wrong.
            ConflictError: `job_exists`, the job is not deleted; `no_more_versions`.
        """
        if not self.is_deleted:
            raise job_exists(slug)
        refuse(spec.issues() + catalog_issues(slug, spec.personal, spec.unique_runs))
        refuse_given_version(version, self.current)
        self.trigger_event(
            self.RegisteredAgain,
            timestamp=self._at(now),
            slug=slug,
            version=version or next_version(self.current),
            spec={name: getattr(spec, name) for name in SPEC_FIELDS},
        )

    def _at(self, now: datetime) -> datetime:
        # Never before the previous event, however the hosts' clocks are set.
        return max(cut_to_ms(now), self.modified_on)
