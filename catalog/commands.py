"""`Catalog`: the commands of the catalog's clients, one method each."""

from contextlib import suppress
from uuid import UUID

from eventsourcing.domain import Aggregate

from catalog.build import Build, BuildTarget
from catalog.built_in_jobs import BUILD_SLUG, INGEST_SLUG
from catalog.follower import new_build
from catalog.repository import App, Repository, repository_id
from domain import identifiers
from domain.commands.application import MAX_DECISIONS, LogApplication
from domain.errors import ConflictError, NotFoundError, VersionConflictError
from domain.jobs.launching import Launch, new_run
from domain.jobs.run import JobRun
from domain.ports import Origin, Row, Unit
from domain.schema.validation import decided


class Catalog:
    """What clients may do to apps and builds."""

    def __init__(self, application: LogApplication) -> None:
        self._application = application

    async def add_app(self, app: App, origin: Origin) -> Row:
        """Add an app to the catalog and launch its ingestion, in one unit; return its row.

        Raises:
            ConflictError: `app_exists`.
        """
        for _ in range(MAX_DECISIONS):
            now = self._application.clock()
            repository = Repository.add(app, now)
            run = await self._ingestion_of(repository, origin)
            try:
                saved = await self._application.save(repository, run, origin=origin, decided_at=now)
            except VersionConflictError:
                if await self._application.find(Repository, repository.id) is not None:
                    break
                continue  # The clock was set back.
            return saved.rows[repository.id]
        raise ConflictError("app_exists", f"app {app.id} already exists")

    async def retry_ingestion(self, client_id: str, origin: Origin) -> None:
        """Launch another ingestion of the app.

        Raises:
            NotFoundError: `app_not_found`.
            ConflictError: `ingestion_in_progress`.
        """

        async def decide() -> list[Aggregate]:
            repository = await self._repository(client_id)
            run = await self._ingestion_of(repository, origin)
            return [repository, run]

        await self._application.decide_and_save(decide, origin)

    async def request_build(self, client_id: str, target: BuildTarget, origin: Origin) -> Row:
        """Launch a build of the app; return the build's row.

        Raises:
            NotFoundError: `app_not_found`.
        """
        repository = await self._repository(client_id)
        return await self._launch_build(repository.client_id, target, origin, None)

    async def retry_build(self, build_id: UUID, origin: Origin) -> Row:
        """Launch a build that repeats a failed one; return the new one's row.

        Raises:
            NotFoundError: `build_not_found`.
            ConflictError: `build_not_failed`.
        """
        build = await self._application.find(Build, build_id)
        if build is None:
            raise NotFoundError("build_not_found", "build not found")
        last_event = identifiers.event_id(build.id, build.version)
        caused = Origin(origin.actor, causation_id=last_event)
        return await self._launch_build(build.repository_id, build.again(), caused, build.id)

    async def _launch_build(
        self, client_id: str, target: BuildTarget, origin: Origin, continues: UUID | None
    ) -> Row:
        application = self._application
        definition_id = identifiers.definition_id(BUILD_SLUG)
        definition = await application.definition(definition_id)
        launch = Launch()
        for _ in range(MAX_DECISIONS):
            now = application.clock()
            build, run = await decided(
                lambda: new_build(application, definition, client_id, target, launch, origin.actor)
            )
            events = application.stored_events([build, run])
            unit = Unit(events, origin, continues=continues, decided_at=now)
            with suppress(VersionConflictError):  # The clock was set back.
                saved = await application.log_port.append(unit)
                return saved.rows[build.id]
        raise VersionConflictError(f"app {client_id} keeps changing")

    async def _repository(self, client_id: str) -> Repository:
        aggregate_id = repository_id(client_id)
        repository = await self._application.find(Repository, aggregate_id)
        if repository is None:
            raise NotFoundError("app_not_found", "app not found")
        return repository

    async def _ingestion_of(self, repository: Repository, origin: Origin) -> JobRun:
        application = self._application
        definition_id = identifiers.definition_id(INGEST_SLUG)
        definition = await application.definition(definition_id)
        launch = Launch(parameters={"repositoryId": repository.client_id})
        run_id = application.new_id()
        now = application.clock()
        run = await decided(lambda: new_run(definition, launch, run_id, origin.actor, now))
        repository.request_ingestion(str(run_id), application.clock())
        return run
