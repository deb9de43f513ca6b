"""What `apphub-jobs apply` would do (`plan`): its steps in order, and why one cannot be done.

First steps (`Step`) and who applies (`Ownership`), then the plan: each definition is checked by the
service's own rules, so that a dry run refuses what the service would, and compared with what the
service has.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from api.http.errors import shape_issue
from api.shapes.jobs import JobBody
from api.shapes.schedules import ScheduleBody
from apphub_jobs.client import JobDocument, ScheduleDocument
from cli import composition  # noqa: F401 - the rules are those of a service with the catalog
from cli.definitions import Definition, Definitions
from domain.commands.ticks import check
from domain.errors import InvalidInputError, Issue
from domain.jobs.definition import JobDefinition, JobSpec
from domain.schedules.calendar import ScheduleSpec
from domain.schedules.schedule import Schedule
from projections import job_definitions, schedules

Kind = Literal["job", "schedule"]

Action = Literal["create", "revise", "keep", "delete"]

Current = JobDocument | ScheduleDocument


@dataclass(frozen=True)
class Step:
    """One job or schedule, and what becomes of it.

    Attributes:
        definition: what it shall be; None if it shall be deleted.
        current: what it is; None if there is none.
        desired: the definition as the service would show it, with defaults.
        problem: why this cannot be done; None if it can.
    """

    kind: Kind
    name: str
    definition: Definition | None
    current: Current | None
    desired: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None

    @property
    def action(self) -> Action:
        """What is done."""
        if self.definition is None:
            return "delete"
        if self.current is None:
            return "create"
        return "revise" if self.changes else "keep"

    @property
    def changes(self) -> Mapping[str, tuple[Any, Any]]:
        """The fields that differ, each with its value before and after."""
        if self.current is None or self.definition is None:
            return {}
        current = self.current
        return {
            name: (current.get(name), value)
            for name, value in self.desired.items()
            # An older service does not have all fields.
            if (name in current or name in self.definition) and value != current.get(name)
        }


@dataclass(frozen=True)
class Ownership:
    """Who applies.

    Attributes:
        owner: a name; None for nobody.
        take_over: whether what others own becomes the owner's.
        prune: whether what the owner has and defines no longer is deleted.
    """

    owner: str | None
    take_over: bool = False
    prune: bool = False

    def problem(self, current: Current | None) -> str | None:
        """Return why this must not be changed; None if it may be."""
        theirs = None if current is None else current.owner
        if theirs in {None, self.owner} or self.take_over:
            return None
        if self.owner is None:
            return f"it belongs to {theirs}; give --owner {theirs} to change it"
        return f"it belongs to {theirs}; give --take-over to make it {self.owner}'s"

    def owned(self, definition: Definition) -> Definition:
        """Return the definition with its owner."""
        if self.owner is None:
            return definition
        return {**definition, "owner": self.owner}


@dataclass(frozen=True)
class Existing:
    """What the service has, by name in lower case."""

    jobs: Mapping[str, JobDocument]
    schedules: Mapping[str, ScheduleDocument]


def plan(definitions: Definitions, existing: Existing, ownership: Ownership) -> list[Step]:
    """Return the steps in their order: a second apply continues where a first one ended.

    Jobs come before the schedules that launch them, and deletions last, jobs after schedules.
    """
    now = datetime.now(UTC)
    deletions = [*_deletions(definitions, existing, ownership)]
    deleted = {step.name.lower() for step in deletions if step.kind == "job"}
    # The jobs that schedules may launch; None for those that are checked elsewhere.
    jobs: dict[str, JobDefinition | None] = dict.fromkeys({*existing.jobs} - deleted)
    steps: list[Step] = []
    for definition in map(ownership.owned, definitions.jobs):
        slug = str(definition["slug"])
        step = Step("job", slug, definition, existing.jobs.get(slug.lower()))
        try:
            job = _valid_job(definition, now)
        except InvalidInputError as error:
            jobs[slug.lower()] = None
            steps.append(replace(step, problem=_sentence(error.issues)))
        else:
            jobs[slug.lower()] = job
            steps.append(_compared(step, job.spec, job_definitions.SHOWN, ownership))
    for definition in map(ownership.owned, definitions.schedules):
        name = str(definition["id"])
        step = Step("schedule", name, definition, existing.schedules.get(name.lower()))
        try:
            spec = _valid_schedule(definition, jobs, now)
        except InvalidInputError as error:
            steps.append(replace(step, problem=_sentence(error.issues)))
        else:
            steps.append(_compared(step, spec, schedules.SHOWN, ownership))
    return [*steps, *deletions]


def _valid_job(definition: Definition, now: datetime) -> JobDefinition:
    """Return the job, or raise InvalidInputError as its registration would."""
    try:
        body = JobBody.model_validate(definition)
    except ValidationError as error:
        raise _invalid(error) from None
    return JobDefinition.register(body.slug, body.spec(), body.version or 1, now)


def _valid_schedule(
    definition: Definition, jobs: Mapping[str, JobDefinition | None], now: datetime
) -> ScheduleSpec:
    """Return the schedule's content, or raise InvalidInputError as its creation would."""
    try:
        body = ScheduleBody.model_validate(definition)
    except ValidationError as error:
        raise _invalid(error) from None
    spec = Schedule.create(body.id, body.spec(), now).spec
    slug = spec.job.lower()
    job = jobs.get(slug)
    if job is not None or slug not in jobs:
        asyncio.run(check(spec, job, "", now))
    return spec


def _invalid(error: ValidationError) -> InvalidInputError:
    return InvalidInputError([shape_issue(one) for one in error.errors()])


def _sentence(issues: Iterable[Issue]) -> str:
    return "; ".join(f"{issue.path}: {issue.message}" for issue in issues)


def _compared(
    step: Step, spec: JobSpec | ScheduleSpec, columns: Mapping[str, str], ownership: Ownership
) -> Step:
    """Return the step of a valid definition with what it says, by the names that clients see."""
    desired = {
        name: getattr(spec, column) for name, column in columns.items() if hasattr(spec, column)
    }
    if spec.owner is None:
        del desired["owner"]  # Who does not say so does not end another's ownership.
    return replace(step, desired=desired, problem=ownership.problem(step.current))


def _deletions(
    definitions: Definitions, existing: Existing, ownership: Ownership
) -> Iterator[Step]:
    """Yield what an earlier apply of the owner made and is defined no longer."""
    if not ownership.prune:
        return
    kept = {str(schedule["id"]).lower() for schedule in definitions.schedules}
    remaining: list[ScheduleDocument] = []
    for name, schedule in existing.schedules.items():
        if schedule.owner != ownership.owner or name in kept:
            remaining.append(schedule)
        else:
            yield Step("schedule", schedule.id, None, schedule)
    launchers = {schedule.job.lower(): schedule.id for schedule in remaining}
    defined = {str(job["slug"]).lower() for job in definitions.jobs}
    for slug, job in existing.jobs.items():
        if job.owner == ownership.owner and slug not in defined:
            launcher = launchers.get(slug)
            problem = None if launcher is None else f"the schedule {launcher} launches it"
            yield Step("job", job.slug, None, job, problem=problem)
