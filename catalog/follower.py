"""How repositories and builds follow the runs of the built-in jobs.

First what a run may report to the catalog: the effects of its result, and what its events report
earlier. Then how a repository and a build follow the events of their run, as pure decisions. Last
`CatalogFollower`, which loads both and returns what is appended in one unit with the run, and the
build that an ingestion launches.

So the status of a repository or build cannot disagree with its run, however the run ended: by the
handler, a timeout, a cancel or a dead worker.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeGuard, TypeVar
from uuid import UUID

from eventsourcing.domain import Aggregate

from catalog.build import ENDED, Build, BuildTarget
from catalog.built_in_jobs import BUILD_SLUG
from catalog.handler_settings import BUILD_ENTRY_POINT, INGEST_ENTRY_POINT
from catalog.repository import Ingested, Repository, repository_id
from domain import identifiers
from domain.clock import cut_to_ms, ms_between
from domain.errors import InvalidInputError, Issue, QuarantinedError
from domain.jobs import run_events as events
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import Launch, new_run
from domain.jobs.run import JobRun
from domain.jobs.run_events import Canceled, ReportedEvent
from domain.json_values import Json, JsonObject
from domain.ports import Locked
from domain.run_followers import AggregateRepository, Effect
from domain.schema.validation import offload_if_long, violations

INGESTED = "repository.ingested"
"""The effect that a successful ingestion carries; its data are the fields of `Ingested`."""

BUILT = "build.finished"
"""The effect that a successful build carries."""

COMMIT_METRIC = "commitSha"
"""The metric in which both jobs report the commit they work on (contract, section 9)."""

TEMPLATES_CONTEXT = "launchEnvTemplates"
"""The part of a build's context in which it reports the variables that the app takes. It does so
before it builds, so a build that fails has reported them, too."""

MAX_TEMPLATES = 32


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

_SCHEMAS: dict[str, JsonObject] = {
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
"""What the data of each kind of effect look like."""


def effect_issues(effects: Sequence[Effect]) -> list[Issue]:
    """Return what is wrong with a result's effects: an unknown kind, or data of another shape."""
    issues: list[Issue] = []
    for index, effect in enumerate(effects):
        path = f"/effects/{index}"
        schema = _SCHEMAS.get(effect.kind)
        if schema is None:
            message = f"unknown effect {effect.kind!r}"
            issues.append(Issue(f"{path}/kind", message, "enum"))
        else:
            issues += violations(schema, dict(effect.data), f"{path}/data")
    return issues


def reported_commit(event: object) -> str | None:
    """Return the commit that an event of a run reports, None where it reports none."""
    if not isinstance(event, ReportedEvent | Canceled):
        return None
    commit_sha = event.metrics.get(COMMIT_METRIC)
    return commit_sha if isinstance(commit_sha, str) else None


def reported_templates(event: object) -> list[JsonObject] | None:
    """Return the variables that an event of a run reports.

    None where it reports none, or something of another shape.
    """
    if not isinstance(event, ReportedEvent | Canceled):
        return None
    templates = event.context.get(TEMPLATES_CONTEXT)
    if not isinstance(templates, list) or len(templates) > MAX_TEMPLATES:
        return None
    pairs = [template for template in templates if _is_pair(template)]
    return pairs if len(pairs) == len(templates) else None


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
    return build_in(run.entry_point, run.parameters)


def build_in(entry_point: str, parameters: JsonObject) -> UUID | None:
    """Return the id of the build in the parameters of a run; None where there is none."""
    build_id = parameters.get("buildId")
    if entry_point != BUILD_ENTRY_POINT or not isinstance(build_id, str):
        return None
    try:
        return UUID(build_id)
    except ValueError:
        return None


# A run's event moves its repository or build. Pure: `CatalogFollower` loads the aggregates.

NO_OUTCOME = "the run ended without saying what came of it"


def follow_ingestion(
    run: JobRun, repository: Repository, effects: Sequence[Effect], now: datetime
) -> Ingested | None:
    """Let the repository follow the run's pending events.

    Returns what the ingestion read, if one of the events is its success.
    """
    run_id = str(run.id)
    ingested: Ingested | None = None
    for event in run.pending_events:
        at = max(cut_to_ms(now), event.timestamp)
        if isinstance(event, events.Started):
            repository.start_ingestion(run_id, event.attempt, at)
        elif repository.run_id == run_id:
            # Else a newer ingestion has taken over, and this is history.
            ingested = _apply_to_repository(event, run, repository, effects, at) or ingested
    return ingested


def follow_build(
    run: JobRun,
    build: Build,
    repository: Repository | None,
    effects: Sequence[Effect],
    now: datetime,
) -> None:
    """Let the build follow the run's pending events.

    The repository, where there is one, takes the variables that the events report.
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
            _apply_to_build(event, run, build, repository, effects, at)


def _apply_to_repository(
    event: object, run: JobRun, repository: Repository, effects: Sequence[Effect], now: datetime
) -> Ingested | None:
    run_id = str(run.id)
    duration_ms = None if run.started_at is None else ms_between(run.started_at, now)
    commit_sha = reported_commit(event)
    # A success has the commit among its effect's data.
    if commit_sha is not None and not isinstance(event, events.Succeeded):
        repository.read_commit(run_id, commit_sha, now)
    match event:
        case events.Succeeded():
            data = _data_of(effects, INGESTED)
            if data is None:
                repository.fail_ingestion(run_id, run.attempt, NO_OUTCOME, duration_ms, now)
                return None
            ingested = Ingested(**data)  # type: ignore[arg-type]  # `effect_issues` saw to it
            repository.finish_ingestion(run_id, run.attempt, ingested, duration_ms, now)
            return ingested
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


def _apply_to_build(  # noqa: PLR0913 - the event, and all that it may concern
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
            image = _data_of(effects, BUILT)
            if image is None:
                build.fail(NO_OUTCOME, now)
            else:
                build.succeed(image, now)
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


def _data_of(effects: Sequence[Effect], kind: str) -> JsonObject | None:
    for effect in effects:
        if effect.kind == kind:
            return dict(effect.data)
    return None


A = TypeVar("A", bound=Aggregate)


class CatalogFollower:
    """Follows the runs of both built-in jobs; see `domain.run_followers.RunFollower`."""

    entry_points = frozenset({INGEST_ENTRY_POINT, BUILD_ENTRY_POINT})

    async def complete_launch(
        self, aggregates: AggregateRepository, entry_point: str, launch: Launch
    ) -> Launch:
        """Return the launch of a build with its app's id, by which builds of one app take turns.

        Raises:
            InvalidInputError: the launch names another app than the build's.
        """
        parameters = launch.parameters
        build = await _load_one(aggregates, Build, build_in(entry_point, parameters), None)
        if build is None:
            return launch
        app_id = build.repository_id
        if parameters.get("repositoryId") not in {None, app_id}:
            message = f"the build is of the app {app_id}; leave this out"
            raise InvalidInputError([Issue("/parameters/repositoryId", message, "const")])
        return replace(launch, parameters={**parameters, "repositoryId": app_id})

    async def inputs_of(
        self, aggregates: AggregateRepository, run: JobRun, locked: Locked | None
    ) -> JsonObject:
        """Return the records that the handler reads: `repository`, and `build` for a build."""
        repository_id = repository_of(run)
        if repository_id is not None:
            repository = await _load_one(aggregates, Repository, repository_id, locked)
            return {"repository": _record_of(repository)}
        if run.entry_point != BUILD_ENTRY_POINT:
            return {}
        build = await _load_one(aggregates, Build, build_of(run), locked)
        if build is None:
            return {"build": None, "repository": None}
        owner = await _load_one(aggregates, Repository, _owner_id(build), locked)
        return {"build": build.record, "repository": _record_of(owner)}

    def effect_issues(self, effects: Sequence[Effect]) -> list[Issue]:
        """Return what is wrong with a result's effects."""
        return effect_issues(effects)

    async def follow(
        self,
        aggregates: AggregateRepository,
        runs: Sequence[JobRun],
        effects: Sequence[Effect],
        locked: Locked | None,
    ) -> list[Aggregate]:
        """Return the repositories and builds of the runs, and builds that ingestions launch."""
        # They change in the moment of the runs' last event, not a millisecond later.
        now = max(run.modified_on for run in runs)
        ingested = await _follow_ingestions(aggregates, runs, effects, now, locked)
        built = await _follow_builds(aggregates, runs, effects, now, locked)
        return [*ingested, *built]


def _record_of(repository: Repository | None) -> JsonObject | None:
    if repository is None:
        return None
    return {**repository.record, "authorTags": list(repository.author_tags)}


async def _follow_ingestions(
    aggregates: AggregateRepository,
    runs: Sequence[JobRun],
    effects: Sequence[Effect],
    now: datetime,
    locked: Locked | None,
) -> list[Aggregate]:
    followed = _runs_with(repository_of, runs)
    if not followed:
        return []
    ids = {repository_id for _, repository_id in followed}
    repositories = await _load_all(aggregates, Repository, ids, locked)
    _quarantine_unreadable(aggregates, followed)
    launched: list[Aggregate] = []
    for run, its_repository_id in followed:
        repository = repositories.get(its_repository_id)
        if repository is None:
            continue
        ingested = follow_ingestion(run, repository, effects, now)
        if ingested is not None:
            launched += await _build_after(aggregates, run, repository, ingested.commit_sha, locked)
    return [*repositories.values(), *launched]


async def _build_after(
    aggregates: AggregateRepository,
    run: JobRun,
    repository: Repository,
    commit_sha: str,
    locked: Locked | None,
) -> Sequence[Aggregate]:
    """Return the build that a successful ingestion launches, and its run.

    It is a failed build without a run where the job no longer takes a build's parameters.
    """
    definition_id = identifiers.definition_id(BUILD_SLUG)
    definition = await _load_one(aggregates, JobDefinition, definition_id, locked)
    if definition is None:
        return []
    app_id = repository.client_id
    target = BuildTarget(commit_sha=commit_sha)
    launch = Launch(context={"ingestRunId": str(run.id)})
    by = run.requested_by
    try:
        return await offload_if_long(
            lambda: new_build(aggregates, definition, app_id, target, launch, by)
        )
    except InvalidInputError as error:
        now = aggregates.clock()
        build = Build.request(aggregates.new_id(), app_id, None, target, now)
        first, *_ = error.issues
        build.fail(f"the build could not be launched: {first.path}: {first.message}", now)
        return [build]


def new_build(  # noqa: PLR0913 - what a build is made of
    aggregates: AggregateRepository,
    definition: JobDefinition,
    repository_id: str,
    target: BuildTarget,
    launch: Launch,
    requested_by: str,
    run_id: UUID | None = None,
) -> tuple[Build, JobRun]:
    """Return a build and the run that executes it.

    Args:
        aggregates: give the present, and new ids.
        definition: the job of builds.
        repository_id: the app, as clients call it.
        target: what to build.
        launch: the run's, without its parameters.
        requested_by: who launches it.
        run_id: the run's id; None for a new one.

    Raises:
        InvalidInputError: an operator revised `repository-build`, and it no longer takes a build's
            parameters.
    """
    now = aggregates.clock()
    run_id = run_id or aggregates.new_id()
    build_id = aggregates.new_id()
    build = Build.request(build_id, repository_id, run_id, target, now)
    parameters: JsonObject = {"buildId": str(build_id), "repositoryId": repository_id}
    launch = replace(launch, parameters=parameters)
    return build, new_run(definition, launch, run_id, requested_by, now)


async def _follow_builds(
    aggregates: AggregateRepository,
    runs: Sequence[JobRun],
    effects: Sequence[Effect],
    now: datetime,
    locked: Locked | None,
) -> list[Aggregate]:
    followed = _runs_with(build_of, runs)
    if not followed:
        return []
    builds = await _load_all(aggregates, Build, {build_id for _, build_id in followed}, locked)
    _quarantine_unreadable(aggregates, followed)
    owners: dict[UUID, Repository] = {}
    if any(_reports_templates(run) for run, _ in followed):
        owner_ids = [_owner_id(build) for build in builds.values()]
        owners = await _load_all(aggregates, Repository, owner_ids, locked)
    for run, build_id in followed:
        build = builds.get(build_id)
        if build is not None:
            follow_build(run, build, owners.get(_owner_id(build)), effects, now)
    return [*builds.values(), *owners.values()]


def _reports_templates(run: JobRun) -> bool:
    return any(reported_templates(event) is not None for event in run.pending_events)


def _owner_id(build: Build) -> UUID:
    return repository_id(build.repository_id)


def _runs_with(
    id_of: Callable[[JobRun], UUID | None], runs: Iterable[JobRun]
) -> list[tuple[JobRun, UUID]]:
    """Return the runs that have such an aggregate, each with its id."""
    followed: list[tuple[JobRun, UUID]] = []
    for run in runs:
        aggregate_id = id_of(run)
        if aggregate_id is not None:
            followed.append((run, aggregate_id))
    return followed


def _quarantine_unreadable(
    aggregates: AggregateRepository, followed: Iterable[tuple[JobRun, UUID]]
) -> None:
    """Quarantine runs whose app or build cannot be read: half of what they do would be lost.

    Raises:
        QuarantinedError: there is such a run.
    """
    for run, aggregate_id in followed:
        try:
            aggregates.quarantine.check([aggregate_id])
        except QuarantinedError as error:
            aggregates.quarantine.add(run.id, error.message)
            raise


async def _load_all(
    aggregates: AggregateRepository,
    aggregate_class: type[A],
    ids: Iterable[UUID],
    locked: Locked | None,
) -> dict[UUID, A]:
    """Return all that exist, in as many reads as their size needs: none may lag behind its run."""
    loaded: dict[UUID, A] = {}
    missing = list(dict.fromkeys(ids))
    while missing:
        part = await aggregates.load(aggregate_class, missing, locked)
        if not part:
            break
        loaded |= part
        missing = [aggregate_id for aggregate_id in missing if aggregate_id not in part]
    return loaded


async def _load_one(
    aggregates: AggregateRepository,
    aggregate_class: type[A],
    aggregate_id: UUID | None,
    locked: Locked | None,
) -> A | None:
    if aggregate_id is None:
        return None
    loaded = await aggregates.load(aggregate_class, [aggregate_id], locked)
    aggregates.quarantine.check([aggregate_id])
    return loaded.get(aggregate_id)
