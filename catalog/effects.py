"""How runs of the built-in jobs move the catalog: repositories and builds follow them in one unit.

First what a run's result may do to the catalog, and which repository or build a run concerns; then
how these follow the run's events; then the units that append all of it together (`with_catalog`),
and the build that an ingestion launches.

So the status of a repository or build cannot disagree with its run, however the run ended: by the
handler, a timeout, a cancel or a dead worker.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeGuard, TypeVar
from uuid import UUID

from eventsourcing.domain import Aggregate

from catalog.build import ENDED, Build, Wanted
from catalog.repository import Ingested, Repository
from domain import identifiers
from domain.clock import Clock, cut_to_ms, ms_between
from domain.errors import InvalidInputError, Issue, QuarantinedError
from domain.identifiers import repository_id
from domain.jobs import definition as reserved
from domain.jobs import run_events as events
from domain.jobs.definition import (
    BUILD_ENTRY_POINT,
    BUILD_SLUG,
    INGEST_ENTRY_POINT,
    INGEST_SLUG,
    JobDefinition,
    Spec,
)
from domain.jobs.launching import Launch, new_run
from domain.jobs.run import JobRun
from domain.jobs.run_events import Canceled, ReportedEvent
from domain.json_values import Json, JsonObject
from domain.ports import Locked
from domain.quarantine import Quarantine
from domain.schema.validation import decided, violations

# The definitions that come with the service; the contract's section 8 is their source.

_ID: JsonObject = {"type": "string", "minLength": 1}

BUILTIN_SPECS: dict[str, Spec] = {
    INGEST_SLUG: Spec(
        name="Repository Ingestion",
        type="batch",
        entry_point=INGEST_ENTRY_POINT,
        parameters_schema={
            "type": "object",
            "properties": {"repositoryId": {**_ID}},
            "required": ["repositoryId"],
        },
        default_parameters={"repositoryId": None},
        timeout_ms=900_000,
        retry_policy={"maxAttempts": 3, "strategy": "exponential", "initialDelayMs": 10_000},
        metadata={"description": "Reads a repository and requests a build of it"},
        # Two ingestions of one app at a time would overwrite each other's findings.
        concurrency_key="repositoryId",
    ),
    BUILD_SLUG: Spec(
        name="Repository Build",
        type="batch",
        entry_point=BUILD_ENTRY_POINT,
        parameters_schema={
            "type": "object",
            "properties": {"buildId": {**_ID}, "repositoryId": {**_ID}},
            "required": ["buildId"],
        },
        default_parameters={"buildId": None},
        timeout_ms=1_800_000,
        retry_policy={"maxAttempts": 1},
        metadata={"description": "Builds the container image of a repository"},
        concurrency_key="repositoryId",
    ),
}


INGESTED = "repository.ingested"
"""The effect that a successful ingestion carries; its data are the fields of `Ingested`."""

BUILT = "build.finished"
"""The effect that a successful build carries."""

COMMIT_METRIC = "commitSha"
"""The metric in which both jobs report the commit they work on (contract, section 9)."""

TEMPLATES_CONTEXT = "launchEnvTemplates"
"""The part of a build's context in which it reports which variables the app takes, before it builds
anything: a build that fails has told them, too."""

MAX_TEMPLATES = 32


@dataclass(frozen=True)
class Effect:
    """What a run's result does beyond the run; appended in one unit with it, or not at all."""

    kind: str
    data: Mapping[str, Json]


def _object(**properties: Json) -> JsonObject:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT: JsonObject = {"type": "string"}
_TEXT_OR_NULL: JsonObject = {"type": ["string", "null"]}
_PAIRS: JsonObject = {"type": "array", "items": _object(key=_TEXT, value=_TEXT)}

_SHAPES: dict[str, JsonObject] = {
    INGESTED: _object(
        commit_sha=_TEXT,
        name={**_TEXT, "minLength": 1},
        description=_TEXT,
        dockerfile_path={**_TEXT, "minLength": 1},
        tags=_PAIRS,
        preview_tiles={"type": "array", "maxItems": 6, "items": {"type": "object"}},
    ),
    BUILT: _object(
        commit_sha=_TEXT,
        git_branch=_TEXT_OR_NULL,
        image_tag={**_TEXT, "minLength": 1},
        image_digest=_TEXT_OR_NULL,
    ),
}


def effect_issues(effects: Sequence[Effect]) -> list[Issue]:
    """Return what is wrong with a result's effects: an unknown one, or data of another shape."""
    issues: list[Issue] = []
    for index, effect in enumerate(effects):
        path = f"/effects/{index}"
        shape = _SHAPES.get(effect.kind)
        if shape is None:
            message = f"unknown effect {effect.kind!r}"
            issue = Issue(f"{path}/kind", message, "enum")
            issues.append(issue)
        else:
            issues += violations(shape, dict(effect.data), f"{path}/data")
    return issues


def reported_commit(event: object) -> str | None:
    """Return the commit that an event of a run reports, if it reports one."""
    if not isinstance(event, ReportedEvent | Canceled):
        return None
    commit_sha = event.metrics.get(COMMIT_METRIC)
    if not isinstance(commit_sha, str):
        return None
    return commit_sha


def reported_templates(event: object) -> list[JsonObject] | None:
    """Return the variables that an event of a run reports; None if none, or of another shape."""
    if not isinstance(event, ReportedEvent | Canceled):
        return None
    templates = event.context.get(TEMPLATES_CONTEXT)
    if not isinstance(templates, list) or len(templates) > MAX_TEMPLATES:
        return None
    pairs = [template for template in templates if _is_pair(template)]
    if len(pairs) < len(templates):
        return None
    return pairs


def _is_pair(value: Json) -> TypeGuard[JsonObject]:
    if not isinstance(value, dict) or value.keys() != {"key", "value"}:
        return False
    return all(isinstance(text, str) for text in value.values())


def repository_of(run: JobRun) -> UUID | None:
    """Return the aggregate id of the repository that this run ingests; None for every other run."""
    client_id = run.parameters.get("repositoryId")
    if run.entry_point != INGEST_ENTRY_POINT or not isinstance(client_id, str):
        return None
    return repository_id(client_id)


def build_of(run: JobRun) -> UUID | None:
    """Return the id of the build that this run executes; None for every other run."""
    return named_build(run.entry_point, run.parameters)


def named_build(entry_point: str, parameters: JsonObject) -> UUID | None:
    """Return the build that these parameters name to the build's handler, if they name any."""
    build_id = parameters.get("buildId")
    if entry_point != BUILD_ENTRY_POINT or not isinstance(build_id, str):
        return None
    try:
        return UUID(build_id)
    except ValueError:
        return None


# A run's event moves its repository or build, in the same unit. Pure: `with_catalog` loads the
# aggregates.

NOTHING_SAID = "the run ended without saying what came of it"


def follow_ingestion(
    run: JobRun, repository: Repository, effects: Sequence[Effect], now: datetime
) -> Ingested | None:
    """Let the repository follow what the run's pending events say.

    Returns what the ingestion found, if one of the events tells of that.
    """
    run_id = str(run.id)
    found: Ingested | None = None
    for event in run.pending_events:
        at = max(cut_to_ms(now), event.timestamp)
        if isinstance(event, events.Started):
            repository.start_ingestion(run_id, event.attempt, at)
        elif repository.run_id == run_id:
            # Else a newer ingestion has taken over, and this is history.
            found = _follow_ingestion(event, run, repository, effects, at) or found
    return found


def follow_build(
    run: JobRun,
    build: Build,
    repository: Repository | None,
    effects: Sequence[Effect],
    now: datetime,
) -> None:
    """Let the build follow what the run's pending events say.

    The repository learns what they tell of it.
    """
    run_id = str(run.id)
    earliest = cut_to_ms(now)
    for event in run.pending_events:
        at = max(earliest, event.timestamp)
        if isinstance(event, events.Started):
            build.start(run_id, event.attempt, at)
            continue
        is_current = build.run_id == run_id and build.status not in ENDED
        if is_current:
            _follow_build(event, run, build, repository, effects, at)


def _follow_ingestion(
    event: object, run: JobRun, repository: Repository, effects: Sequence[Effect], now: datetime
) -> Ingested | None:
    run_id = str(run.id)
    duration_ms = _duration_ms(run, now)
    commit_sha = reported_commit(event)
    # A success tells it with all that was found.
    if commit_sha is not None and not isinstance(event, events.Succeeded):
        repository.read_commit(run_id, commit_sha, now)
    match event:
        case events.Succeeded():
            data = _data_of(effects, INGESTED)
            if data is None:
                repository.fail_ingestion(run_id, run.attempt, NOTHING_SAID, duration_ms, now)
                return None
            found = Ingested(**data)  # type: ignore[arg-type]  # `effect_issues` saw to it
            repository.finish_ingestion(run_id, run.attempt, found, duration_ms, now)
            return found
        case events.AttemptFailed() | events.AttemptTimedOut() | events.AttemptLost():
            error = event.error_message
            if event.retry_at is None:
                repository.fail_ingestion(run_id, event.attempt, error, duration_ms, now)
            else:
                repository.retry_ingestion(run_id, event.attempt, error, duration_ms, now)
        case events.HandedBack():
            repository.retry_ingestion(run_id, run.attempt, "the worker stopped", duration_ms, now)
        case events.Canceled():
            if event.execution is None:
                duration_ms = None
            error = event.reason or "canceled"
            repository.fail_ingestion(run_id, run.attempt, error, duration_ms, now)
        case events.StartDeadlinePassed():
            repository.fail_ingestion(run_id, run.attempt, "not started in time", None, now)
        case _:
            pass
    return None


def _follow_build(  # noqa: PLR0913 - the event, and all that it may concern
    event: object,
    run: JobRun,
    build: Build,
    repository: Repository | None,
    effects: Sequence[Effect],
    now: datetime,
) -> None:
    commit_sha = reported_commit(event)
    if commit_sha is not None:
        build.check_out(commit_sha, now)
    templates = reported_templates(event)
    if templates is not None and repository is not None:
        repository.read_env_templates(str(build.id), templates, now)
    match event:
        case events.Succeeded():
            _finish(build, _data_of(effects, BUILT), now)
        case events.AttemptFailed() | events.AttemptTimedOut() | events.AttemptLost():
            if event.retry_at is None:
                build.fail(event.error_message, now)
            else:
                build.retry_later(event.attempt, event.error_message, now)
        case events.HandedBack():
            build.retry_later(run.attempt, "the worker stopped", now)
        case events.Canceled():
            build.cancel(event.reason or "canceled", now)
        case events.StartDeadlinePassed():
            build.fail("not started in time", now)
        case _:
            pass


def _finish(build: Build, image: JsonObject | None, now: datetime) -> None:
    if image is None:
        build.fail(NOTHING_SAID, now)
        return
    build.succeed(image, now)


def _data_of(effects: Sequence[Effect], kind: str) -> JsonObject | None:
    for effect in effects:
        if effect.kind == kind:
            return dict(effect.data)
    return None


def _duration_ms(run: JobRun, now: datetime) -> int | None:
    if run.started_at is None:
        return None
    return ms_between(run.started_at, now)


# What a unit of run events brings along in the catalog: the repositories and builds that follow the
# runs, and the build after an ingestion.

A = TypeVar("A", bound=Aggregate)


class Source(Protocol):
    """Where aggregates come from; `Jobs` is one."""

    clock: Clock
    quarantine: Quarantine

    def new_id(self) -> UUID:
        """Return an id that nobody has."""

    async def load(
        self, aggregate_class: type[A], ids: Iterable[UUID], locked: Locked | None = None
    ) -> dict[UUID, A]:
        """Return those of the aggregates that exist and are of this class.

        The last ones are left out where all together are too large to be read at a time.
        """


async def with_catalog(
    source: Source,
    runs: Sequence[JobRun],
    effects: Sequence[Effect] = (),
    locked: Locked | None = None,
) -> list[Aggregate]:
    """Return the runs and all that their new events move in the catalog, the runs first."""
    entry_points = {run.entry_point for run in runs}
    if entry_points.isdisjoint(reserved.ENTRY_POINTS):
        return [*runs]
    # What follows them happens in their moment, not a millisecond later.
    now = max(run.modified_on for run in runs)
    ingested = await _ingestions(source, runs, effects, now, locked)
    built = await _builds(source, runs, effects, now, locked)
    return [*runs, *ingested, *built]


async def inputs_of(source: Source, run: JobRun, locked: Locked | None = None) -> JsonObject:
    """Return what the run's handler is given to read: `{}` for all but the built-in jobs."""
    if run.entry_point not in reserved.ENTRY_POINTS:
        return {}
    repository_id = repository_of(run)
    if repository_id is not None:
        repository = await _one(source, Repository, repository_id, locked)
        return {"repository": _shown(repository)}
    if run.entry_point != reserved.BUILD_ENTRY_POINT:
        return {}
    build = await _one(source, Build, build_of(run), locked)
    if build is None:
        return {"build": None, "repository": None}
    owner = await _one(source, Repository, _owner_id(build), locked)
    return {"build": build.record, "repository": _shown(owner)}


async def of_its_app(source: Source, launch: Launch) -> Launch:
    """Return the launch of a build, with its app: builds of one app take turns by it.

    Raises:
        InvalidInputError: they name another app than the build's.
    """
    given = launch.parameters
    build_id = named_build(reserved.BUILD_ENTRY_POINT, given)
    build = await _one(source, Build, build_id, None)
    if build is None:
        return launch
    app_id = build.repository_id
    if given.get("repositoryId") not in {None, app_id}:
        message = f"the build is of the app {app_id}; leave this out"
        issue = Issue("/parameters/repositoryId", message, "const")
        raise InvalidInputError([issue])
    parameters = {**given, "repositoryId": app_id}
    return replace(launch, parameters=parameters)


def new_build(  # noqa: PLR0913 - what a build is made of
    source: Source,
    definition: JobDefinition,
    repository_id: str,
    wanted: Wanted,
    launch: Launch,
    requested_by: str,
) -> tuple[Build, JobRun]:
    """Return a build and the run that executes it.

    Raises:
        InvalidInputError: an operator revised `repository-build`, and it no longer takes a build's
            parameters.
    """
    now = source.clock()
    run_id = source.new_id()
    build_id = source.new_id()
    build = Build.request(build_id, repository_id, run_id, wanted, now)
    parameters: JsonObject = {"buildId": str(build_id), "repositoryId": repository_id}
    launch = Launch(parameters=parameters, context=launch.context)
    run = new_run(definition, launch, run_id, requested_by, now)
    return build, run


async def _ingestions(
    source: Source,
    runs: Sequence[JobRun],
    effects: Sequence[Effect],
    now: datetime,
    locked: Locked | None,
) -> list[Aggregate]:
    followed = _concerning(runs, repository_of)
    if not followed:
        return []
    ids = {repository_id for _, repository_id in followed}
    repositories = await _all(source, Repository, ids, locked)
    _leave_alone(source, followed)
    chained: list[Aggregate] = []
    for run, its_repository_id in followed:
        repository = repositories.get(its_repository_id)
        if repository is None:
            continue
        ingested = follow_ingestion(run, repository, effects, now)
        if ingested is not None:
            chained += await _build_after(source, run, repository, ingested.commit_sha, locked)
    return [*repositories.values(), *chained]


def _concerning(
    runs: Iterable[JobRun], whom: Callable[[JobRun], UUID | None]
) -> list[tuple[JobRun, UUID]]:
    """Return those runs that concern somebody, each with whom."""
    found: list[tuple[JobRun, UUID]] = []
    for run in runs:
        aggregate_id = whom(run)
        if aggregate_id is not None:
            found.append((run, aggregate_id))
    return found


def _leave_alone(source: Source, followed: Iterable[tuple[JobRun, UUID]]) -> None:
    """Quarantine runs whose app or build cannot be read: half of what they do would be lost.

    Raises:
        QuarantinedError: there is such a run.
    """
    for run, aggregate_id in followed:
        try:
            source.quarantine.check([aggregate_id])
        except QuarantinedError as error:
            source.quarantine.add(run.id, error.message)
            raise


async def _build_after(
    source: Source, run: JobRun, repository: Repository, commit_sha: str, locked: Locked | None
) -> Sequence[Aggregate]:
    """Return the build that a successful ingestion launches, and its run.

    It is a failed one without a run where the job no longer takes a build's parameters.
    """
    definition_id = identifiers.definition_id(reserved.BUILD_SLUG)
    definition = await _one(source, JobDefinition, definition_id, locked)
    if definition is None:
        return []
    app_id = repository.client_id
    wanted = Wanted(commit_sha=commit_sha)
    launch = Launch(context={"ingestRunId": str(run.id)})
    try:
        by = run.requested_by
        return await decided(lambda: new_build(source, definition, app_id, wanted, launch, by))
    except InvalidInputError as error:
        now = source.clock()
        build = Build.request(source.new_id(), app_id, None, wanted, now)
        first, *_ = error.issues
        build.fail(f"the build could not be launched: {first.path}: {first.message}", now)
        return [build]


async def _builds(
    source: Source,
    runs: Sequence[JobRun],
    effects: Sequence[Effect],
    now: datetime,
    locked: Locked | None,
) -> list[Aggregate]:
    followed = _concerning(runs, build_of)
    if not followed:
        return []
    ids = {build_id for _, build_id in followed}
    builds = await _all(source, Build, ids, locked)
    _leave_alone(source, followed)
    owners: dict[UUID, Repository] = {}
    if any(_tells_of_its_app(run) for run, _ in followed):
        owner_ids = [_owner_id(build) for build in builds.values()]
        owners = await _all(source, Repository, owner_ids, locked)
    for run, build_id in followed:
        build = builds.get(build_id)
        if build is None:
            continue
        owner_id = _owner_id(build)
        owner = owners.get(owner_id)
        follow_build(run, build, owner, effects, now)
    return [*builds.values(), *owners.values()]


def _tells_of_its_app(run: JobRun) -> bool:
    reported = [reported_templates(event) for event in run.pending_events]
    return any(templates is not None for templates in reported)


def _owner_id(build: Build) -> UUID:
    return identifiers.repository_id(build.repository_id)


async def _all(
    source: Source, aggregate_class: type[A], ids: Iterable[UUID], locked: Locked | None
) -> dict[UUID, A]:
    """Return all that exist of the aggregates, however large: what follows must not lag behind."""
    found: dict[UUID, A] = {}
    missing = list(dict.fromkeys(ids))
    while missing:
        part = await source.load(aggregate_class, missing, locked)
        if not part:
            break
        found |= part
        missing = [aggregate_id for aggregate_id in missing if aggregate_id not in part]
    return found


async def _one(
    source: Source, aggregate_class: type[A], aggregate_id: UUID | None, locked: Locked | None
) -> A | None:
    if aggregate_id is None:
        return None
    found = await source.load(aggregate_class, [aggregate_id], locked)
    source.quarantine.check([aggregate_id])
    return found.get(aggregate_id)


def _shown(repository: Repository | None) -> JsonObject | None:
    if repository is None:
        return None
    return {**repository.record, "authorTags": list(repository.author_tags)}
