"""What a unit of run events brings along in the catalog.

That is the repositories and builds that follow the runs, and the build after an ingestion.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain import identifiers
from domain.catalog import effects as catalog
from domain.catalog.build import Build, Wanted
from domain.catalog.effects import Effect
from domain.catalog.following import follow_build, follow_ingestion
from domain.catalog.repository import Repository
from domain.clock import Clock
from domain.errors import InvalidInputError, Issue, QuarantinedError
from domain.jobs import reserved
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import Launch, new_run
from domain.jobs.run import JobRun
from domain.json_values import JsonObject
from domain.ports import Locked
from domain.quarantine import Quarantine
from domain.schema.deciding import decided

A = TypeVar("A", bound=Aggregate)


class Source(Protocol):
    """Where aggregates come from; `Jobs` is one."""

    clock: Clock
    quarantine: Quarantine

    def new_id(self) -> UUID:
        """Return an id that nobody has."""

    async def load(
        self,
        aggregate_class: type[A],
        ids: Iterable[UUID],
        locked: Locked | None = None,
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


async def inputs_of(
    source: Source, run: JobRun, locked: Locked | None = None
) -> JsonObject:
    """Return what the run's handler is given to read: `{}` for all but the built-in jobs."""
    if run.entry_point not in reserved.ENTRY_POINTS:
        return {}
    repository_id = catalog.repository_of(run)
    if repository_id is not None:
        repository = await _one(source, Repository, repository_id, locked)
        return {"repository": _shown(repository)}
    if run.entry_point != reserved.BUILD_ENTRY_POINT:
        return {}
    build = await _one(source, Build, catalog.build_of(run), locked)
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
    build_id = catalog.named_build(reserved.BUILD_ENTRY_POINT, given)
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
    parameters: JsonObject = {
        "buildId": str(build_id),
        "repositoryId": repository_id,
    }
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
    followed = _concerning(runs, catalog.repository_of)
    if not followed:
        return []
    ids = {repository_id for _, repository_id in followed}
    repositories = await _all(source, Repository, ids, locked)
    _leave_alone(source, followed)
    chained: list[Aggregate] = []
    for run, repository_id in followed:
        repository = repositories.get(repository_id)
        if repository is None:
            continue
        ingested = follow_ingestion(run, repository, effects, now)
        if ingested is not None:
            chained += await _build_after(
                source, run, repository, ingested.commit_sha, locked
            )
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
    source: Source,
    run: JobRun,
    repository: Repository,
    commit_sha: str,
    locked: Locked | None,
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
        return await decided(
            lambda: new_build(source, definition, app_id, wanted, launch, by)
        )
    except InvalidInputError as error:
        now = source.clock()
        build = Build.request(source.new_id(), app_id, None, wanted, now)
        first, *_ = error.issues
        build.fail(
            f"the build could not be launched: {first.path}: {first.message}", now
        )
        return [build]


async def _builds(
    source: Source,
    runs: Sequence[JobRun],
    effects: Sequence[Effect],
    now: datetime,
    locked: Locked | None,
) -> list[Aggregate]:
    followed = _concerning(runs, catalog.build_of)
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
    reported = [catalog.reported_templates(event) for event in run.pending_events]
    return any(templates is not None for templates in reported)


def _owner_id(build: Build) -> UUID:
    return identifiers.repository_id(build.repository_id)


async def _all(
    source: Source,
    aggregate_class: type[A],
    ids: Iterable[UUID],
    locked: Locked | None,
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
    source: Source,
    aggregate_class: type[A],
    aggregate_id: UUID | None,
    locked: Locked | None,
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
