"""What a unit of run events brings along: repositories and builds that follow, and the build after an ingestion."""

from collections.abc import Iterable, Sequence
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
from domain.errors import InvalidInputError, Issue
from domain.jobs import reserved
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import Launch, new_run
from domain.jobs.reserved import BUILD_SLUG
from domain.jobs.run import JobRun
from domain.json_values import JsonObject
from domain.ports import Locked

A = TypeVar("A", bound=Aggregate)


class Source(Protocol):
    """Where aggregates come from; `Jobs` is one."""

    clock: Clock

    def new_id(self) -> UUID:
        """Return an id that nobody has."""

    async def load(
        self, aggregate_class: type[A], ids: Iterable[UUID], locked: Locked | None = None
    ) -> dict[UUID, A]:
        """Return those of the aggregates that exist and are of this class."""


async def with_catalog(
    source: Source,
    runs: Sequence[JobRun],
    effects: Sequence[Effect] = (),
    locked: Locked | None = None,
) -> list[Aggregate]:
    """Return the runs and all that their new events move in the catalog, the runs first."""
    if not runs:
        return []
    # What follows them happens in their moment, not a millisecond later.
    now = max(run.modified_on for run in runs)
    ingested = await _ingestions(source, runs, effects, now, locked)
    return [*runs, *ingested, *await _builds(source, runs, effects, now, locked)]


async def inputs_of(source: Source, run: JobRun, locked: Locked | None = None) -> JsonObject:
    """Return what the run's handler is given to read: `{}` for all but the built-in jobs."""
    if (repository_id := catalog.repository_of(run)) is not None:
        return {"repository": _shown(await _one(source, Repository, repository_id, locked))}
    if run.entry_point != reserved.BUILD_ENTRY_POINT:
        return {}
    build_id = catalog.build_of(run)
    build = await _one(source, Build, build_id, locked) if build_id else None
    if build is None:
        return {"build": None, "repository": None}
    repository = await _one(
        source, Repository, identifiers.repository_id(build.repository_id), locked
    )
    return {"build": build.record, "repository": _shown(repository)}


async def completed(source: Source, definition: JobDefinition, launch: Launch) -> JsonObject:
    """Return the launch's parameters, a build's with the app that it is of: by it, builds of one app take turns.

    Raises:
        InvalidInputError: they name another app than the build's.
    """
    given = launch.parameters
    build_id = catalog.named_build(definition.spec.entry_point, given)
    build = await _one(source, Build, build_id, None) if build_id else None
    if build is None:
        return given
    if given.get("repositoryId") not in {None, build.repository_id}:
        message = f"the build is of the app {build.repository_id}; leave this out"
        raise InvalidInputError([Issue("/parameters/repositoryId", message, "const")])
    return {**given, "repositoryId": build.repository_id}


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
    now, run_id, build_id = source.clock(), source.new_id(), source.new_id()
    build = Build.request(build_id, repository_id, run_id, wanted, now)
    parameters: JsonObject = {"buildId": str(build_id), "repositoryId": repository_id}
    launch = Launch(parameters=parameters, context=launch.context)
    return build, new_run(definition, launch, run_id, requested_by, now)


async def _ingestions(
    source: Source,
    runs: Sequence[JobRun],
    effects: Sequence[Effect],
    now: datetime,
    locked: Locked | None,
) -> list[Aggregate]:
    followed = [(run, found) for run in runs if (found := catalog.repository_of(run)) is not None]
    if not followed:
        return []
    repositories = await source.load(
        Repository, {repository_id for _, repository_id in followed}, locked
    )
    chained: list[Aggregate] = []
    for run, repository_id in followed:
        if (repository := repositories.get(repository_id)) is not None:
            ingested = follow_ingestion(run, repository, effects, now)
            if ingested is not None:
                chained += await _build_after(source, run, repository, ingested.commit_sha, locked)
    return [*repositories.values(), *chained]


async def _build_after(
    source: Source, run: JobRun, repository: Repository, commit_sha: str, locked: Locked | None
) -> Sequence[Aggregate]:
    """Return the build that a successful ingestion launches; a failed one where its job takes no build any more."""
    definition = await _one(source, JobDefinition, identifiers.definition_id(BUILD_SLUG), locked)
    if definition is None:
        return []
    wanted, launch = Wanted(commit_sha=commit_sha), Launch(context={"ingestRunId": str(run.id)})
    try:
        return new_build(source, definition, repository.client_id, wanted, launch, run.requested_by)
    except InvalidInputError as error:
        now = source.clock()
        build = Build.request(source.new_id(), repository.client_id, None, wanted, now)
        build.fail(
            f"the build could not be launched: {error.issues[0].path}: {error.issues[0].message}",
            now,
        )
        return [build]


async def _builds(
    source: Source,
    runs: Sequence[JobRun],
    effects: Sequence[Effect],
    now: datetime,
    locked: Locked | None,
) -> list[Aggregate]:
    followed = [(run, found) for run in runs if (found := catalog.build_of(run)) is not None]
    if not followed:
        return []
    builds = await source.load(Build, {build_id for _, build_id in followed}, locked)
    owners = {build.id: identifiers.repository_id(build.repository_id) for build in builds.values()}
    repositories = await source.load(Repository, owners.values(), locked) if effects else {}
    for run, build_id in followed:
        if (build := builds.get(build_id)) is not None:
            follow_build(run, build, repositories.get(owners[build_id]), effects, now)
    return [*builds.values(), *repositories.values()]


async def _one(
    source: Source, aggregate_class: type[A], aggregate_id: UUID, locked: Locked | None
) -> A | None:
    return (await source.load(aggregate_class, [aggregate_id], locked)).get(aggregate_id)


def _shown(repository: Repository | None) -> JsonObject | None:
    return (
        None
        if repository is None
        else {**repository.record, "authorTags": list(repository.author_tags)}
    )
