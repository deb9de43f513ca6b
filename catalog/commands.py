"""`Catalog`: the commands of the catalog's clients, one method each."""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from eventsourcing.domain import Aggregate

from catalog.build import Build, BuildTarget
from catalog.built_in_jobs import BUILD_SLUG, INGEST_SLUG
from catalog.follower import new_build
from catalog.repository import App, Repository, repository_id
from domain import identifiers
from domain.commands.application import MAX_DECISIONS, LogApplication
from domain.commands.jobs import launched_before
from domain.errors import ConflictError, NotFoundError, VersionConflictError
from domain.jobs.launching import Launch, new_run
from domain.jobs.run import JobRun
from domain.json_values import JsonObject
from domain.ports import Origin, Row, Unit
from domain.schema.validation import offload_if_long


@dataclass(frozen=True)
class LaunchedBuild:
    """A build that a request launched.

    Attributes:
        row: None if an earlier request with the same idempotency key launched it.
    """

    build_id: UUID
    row: Row | None


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
            run = await self._ingestion_of(repository, origin, self._application.new_id())
            try:
                saved = await self._application.save(repository, run, origin=origin, decided_at=now)
            except VersionConflictError:
                if await self._application.find(Repository, repository.id) is not None:
                    break
                continue  # The clock was set back.
            return saved.rows[repository.id]
        raise ConflictError("app_exists", f"app {app.id} already exists")

    async def retry_ingestion(self, client_id: str, origin: Origin, key: str | None = None) -> None:
        """Launch another ingestion of the app.

        With the same idempotency key this launches nothing again.

        Raises:
            NotFoundError: `app_not_found`.
            ConflictError: `ingestion_in_progress`.
        """
        application = self._application
        run_id = application.new_id()
        if key is not None:
            subject = f"ingestion {client_id}"
            run_id = identifiers.catalog_run_id_for_key(origin.actor, subject, key)

        async def decide() -> list[Aggregate]:
            repository = await self._repository(client_id)
            run = await self._ingestion_of(repository, origin, run_id, key)
            return [repository, run]

        if key is not None and await application.find(JobRun, run_id) is not None:
            return
        try:
            await application.decide_and_save(decide, origin)
        except ConflictError:
            # The ingestion in progress may be that of the same request, which came twice at once.
            if key is None or await application.find(JobRun, run_id) is None:
                raise

    async def request_build(
        self, client_id: str, target: BuildTarget, origin: Origin, key: str | None = None
    ) -> LaunchedBuild:
        """Launch a build of the app.

        With the same idempotency key and target, return the first build again.

        Raises:
            NotFoundError: `app_not_found`.
            ConflictError: `idempotency_key_reused`, the key came with another target.
        """
        repository = await self._repository(client_id)
        return await self._launch_build(repository.client_id, target, origin, None, key)

    async def retry_build(
        self, build_id: UUID, origin: Origin, key: str | None = None
    ) -> LaunchedBuild:
        """Launch a build that repeats a failed one.

        With the same idempotency key, return the first new build again.

        Raises:
            NotFoundError: `build_not_found`.
            ConflictError: `build_not_failed`.
        """
        build = await self._application.find(Build, build_id)
        if build is None:
            raise NotFoundError("build_not_found", "build not found")
        last_event = identifiers.event_id(build.id, build.version)
        caused = Origin(origin.actor, causation_id=last_event)
        return await self._launch_build(
            build.repository_id, build.retry_target(), caused, build.id, key
        )

    async def _launch_build(
        self,
        client_id: str,
        target: BuildTarget,
        origin: Origin,
        continues: UUID | None,
        key: str | None,
    ) -> LaunchedBuild:
        application = self._application
        definition_id = identifiers.definition_id(BUILD_SLUG)
        definition = await application.definition(definition_id)
        launch = Launch(idempotency_key=key, body=dict(vars(target)))
        run_id = application.new_id()
        if key is not None:
            subject = f"build {continues or client_id}"
            run_id = identifiers.catalog_run_id_for_key(origin.actor, subject, key)
        for _ in range(MAX_DECISIONS):
            if key is not None and await launched_before(application, run_id, launch) is not None:
                run = await application.run(run_id)
                return LaunchedBuild(UUID(str(run.parameters["buildId"])), None)
            now = application.clock()
            build, run = await offload_if_long(
                lambda: new_build(
                    application, definition, client_id, target, launch, origin.actor, run_id
                )
            )
            events = application.stored_events([build, run])
            unit = Unit(events, origin, continues=continues, decided_at=now)
            # The clock was set back, or the same request came twice at once.
            with suppress(VersionConflictError):
                saved = await application.log_port.append(unit)
                return LaunchedBuild(build.id, saved.rows[build.id])
        raise VersionConflictError(f"app {client_id} keeps changing")

    async def _repository(self, client_id: str) -> Repository:
        aggregate_id = repository_id(client_id)
        repository = await self._application.find(Repository, aggregate_id)
        if repository is None:
            raise NotFoundError("app_not_found", "app not found")
        return repository

    async def _ingestion_of(
        self, repository: Repository, origin: Origin, run_id: UUID, key: str | None = None
    ) -> JobRun:
        application = self._application
        definition_id = identifiers.definition_id(INGEST_SLUG)
        definition = await application.definition(definition_id)
        parameters: JsonObject = {"repositoryId": repository.client_id}
        launch = Launch(parameters=parameters, idempotency_key=key)
        now = application.clock()
        run = await offload_if_long(lambda: new_run(definition, launch, run_id, origin.actor, now))
        repository.request_ingestion(str(run_id), application.clock())
        return run
