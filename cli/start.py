"""`apphub-jobs worker`: a worker alone."""

import os
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Annotated

import typer
from rich.text import Text

from api.bootstrap.handler_settings import handler_settings, local_repositories
from api.bootstrap.handlers import handler_packages, handler_source, tell_unset
from api.bootstrap.service_files import ServiceFiles
from api.bootstrap.settings import Colour, Environment, Settings
from cli.database import archive_directory, archiving, check_logs_store, keyed
from cli.options import (
    KeyOptions,
    ListeningOptions,
    StorageOptions,
    SubjectKey,
    TokensFile,
    command,
    failure,
    read,
)
from cli.process.dev import (
    KEPT,
    Developer,
    Happenings,
    Workshop,
    has_screen,
    keys_heard,
    packages_by_name,
    watched,
)
from cli.process.server import serve
from cli.process.sockets import Address, PortTakenError
from cli.process.test_service import ClockShiftFile, serve_tests
from cli.process.up import Supervisor
from cli.process.worker import Feed, HandlerFile, Packages, work
from cli.seal import sealing
from cli.start_options import (
    DEV_NO_HANDLER_AFTER_S,
    Banner,
    EnvironmentColour,
    EnvironmentName,
    RayOptions,
    ServingOptions,
    ShowRuns,
    Whole,
    WorkOptions,
    hidden_files,
    hosts_of,
    listening_on,
    opened,
    origins_of,
    proxies_of,
    say,
    tokens_in,
    warn_if_open,
    warn_of_former_variable,
)
from domain.workers import labels_of
from worker.executors.local.probe import HandlersError
from worker.executors.ray.executor import RayUnavailableError
from worker.worker import WorkerSettings

# `apphub-jobs dev`: everything at once, for handlers that are being written.

developing = typer.Typer()


@command(developing)
def dev(  # noqa: PLR0913 - one for each group of options
    *,
    files: Annotated[
        list[str],
        typer.Argument(help="Python files or modules with functions under @job."),
    ],
    output: Annotated[
        bool,
        typer.Option("--output", "-o", help="Show what runs print from the start."),
    ] = False,
    dashboard: Annotated[
        bool,
        typer.Option(
            "--open/--no-open",
            help="Open the dashboard in a browser, in the foreground and on a screen.",
        ),
    ] = True,
    serving: ServingOptions,
    storage: StorageOptions,
    working: WorkOptions,
    keys: KeyOptions,
) -> None:
    """Run everything for handlers that are being written, until Ctrl-C.

    Their jobs are registered; whenever a file changes, the handlers are replaced, and runs that are
    under way go on with those of before.
    """
    if working.no_handler_after_s is None:
        working = replace(working, no_handler_after_s=DEV_NO_HANDLER_AFTER_S)
    whole = Whole(serving, storage, working, keys)
    whole.check()
    modules = [*files, *(working.handlers or ())]
    source = read(lambda: handler_source(modules, working.commands, whole.access))
    with listening_on(serving) as listening:
        happenings = Happenings()
        workshop = Workshop(source, happenings)
        environment = whole.environment()
        with closing(
            Developer(environment, listening, say, workshop, happenings)
        ) as developer:
            # While they import their code, everything else gets ready.
            developer.prepare()
            _probe(workshop)
            handlers = packages_by_name(workshop.offers)
            Banner.of(whole, listening, handlers).show()
            with (
                opened(storage),
                keys_heard(happenings) as has_keys,
                watched(source, happenings),
            ):
                developer.has_keys = has_keys
                developer.shows_output = output
                in_sight = has_keys and has_screen(os.environ)
                developer.opens_dashboard = dashboard and in_sight
                code = developer.run()
    raise typer.Exit(code)


def _probe(workshop: Workshop) -> None:
    """Find the handlers for the first time."""
    try:
        wrong = workshop.first()
    except HandlersError as error:
        raise failure(error) from None
    if wrong is not None:
        say(Text(wrong, "red"))
        say(KEPT)


# `apphub-jobs serve`: the API alone.

serving = typer.Typer()


@dataclass(frozen=True)
class ShowingOptions:
    """What an API shows, and by which clock it lives."""

    show_runs: ShowRuns = False
    environment_name: EnvironmentName = ""
    environment_colour: EnvironmentColour = Colour.GREY
    clock_shift: ClockShiftFile = None


@command(serving, "serve")
def serve_command(
    *,
    listening: ListeningOptions,
    storage: StorageOptions,
    tokens_file: TokensFile = None,
    keys: KeyOptions,
    showing: ShowingOptions,
) -> None:
    """Run the API alone."""
    check_logs_store(storage.logs_store, to_write=False)
    tokens = tokens_in(tokens_file)
    hosts = hosts_of(listening, tokens)
    origins = origins_of(listening, tokens)
    proxies = proxies_of(listening)
    local = read(lambda: local_repositories(os.environ))
    with listening_on(listening) as address, opened(storage) as (directory, url):
        warn_if_open(listening, tokens)
        warn_of_former_variable()
        keyed(directory, url, keys.subject_key, patience_s=storage.wait_for_database_s)
        settings = Settings(
            url,
            directory,
            archive=archive_directory(directory, storage.archive),
            archiving=archiving(storage),
            tokens=tokens,
            hosts=hosts,
            origins=origins,
            trusted_proxies=proxies,
            environment=Environment(
                showing.environment_name, showing.environment_colour
            ),
            local_repositories=bool(local),
            logs_store=storage.logs_store,
            sealing=sealing(directory, keys),
            subject_key=keys.subject_key,
            wait_for_database_s=storage.wait_for_database_s,
            clock_shift=showing.clock_shift,
        )
        serve(settings, address, shows_runs=showing.show_runs)


# The hidden command that `apphub_jobs.testing` starts.

testing = typer.Typer()
testing.command("test-service", hidden=True)(serve_tests)


# `apphub-jobs up`: everything at once, after a look at all that could be wrong.

upping = typer.Typer()


@command(upping)
def up(
    *,
    serving: ServingOptions,
    storage: StorageOptions,
    working: WorkOptions,
    keys: KeyOptions,
) -> None:
    """Run database, API and worker together until Ctrl-C."""
    whole = Whole(serving, storage, working, keys)
    whole.check()
    with listening_on(serving) as listening, closing(HandlerFile()) as file:
        environment = {**whole.environment(), **file.variables}
        passed = (file.descriptor,)
        with closing(Supervisor(environment, listening, say, passed)) as supervisor:
            # While they import their code, everything else gets ready.
            supervisor.prepare()
            handlers = read(
                lambda: handler_packages(
                    working.handlers, working.commands, whole.access
                )
            )
            # The worker need not ask again what has just been found.
            file.write(handlers)
            Banner.of(whole, listening, handlers).show()
            with opened(storage):
                code = supervisor.run()
    raise typer.Exit(code)


workers = typer.Typer()


@dataclass(frozen=True)
class MetricsOptions:
    """Where a worker serves what it counts."""

    metrics_port: Annotated[
        int | None,
        typer.Option(
            envvar="APPHUB_METRICS_PORT",
            min=0,
            max=65_535,
            help="Port of the worker's own /metrics; 0 picks a free one; else there is none.",
        ),
    ] = None
    metrics_host: Annotated[
        str,
        typer.Option(envvar="APPHUB_METRICS_HOST", help="Address of that port."),
    ] = "127.0.0.1"

    @property
    def address(self) -> Address | None:
        """Where that is, None for nowhere."""
        if self.metrics_port is None:
            return None
        return Address(self.metrics_host, self.metrics_port)


@command(workers, "worker")
def worker_command(  # noqa: PLR0913 - its groups of options
    *,
    storage: StorageOptions,
    working: WorkOptions,
    subject_key: SubjectKey = None,
    metrics: MetricsOptions,
    ray: RayOptions,
    clock_shift: ClockShiftFile = None,
) -> None:
    """Run a worker alone."""
    check_logs_store(storage.logs_store, to_write=True)
    feed = Feed.inherited(os.environ)
    files = hidden_files(storage, working, subject_key)
    files.tell()
    cluster = read(ray.cluster)
    labels = read(lambda: labels_of(working.label or ()))
    packages = read(lambda: _packages(working, files, feed))
    if cluster is None:  # Else those of the nodes count.
        tell_unset(packages.values(), os.environ)
    with opened(storage) as (directory, url):
        keyed(directory, url, subject_key, patience_s=storage.wait_for_database_s)
        settings = Settings(
            url,
            directory,
            archive=archive_directory(directory, storage.archive),
            archiving=archiving(storage),
            logs_store=storage.logs_store,
            subject_key=subject_key,
            wait_for_database_s=storage.wait_for_database_s,
            clock_shift=clock_shift,
        )
        environment = dict(os.environ)
        if working.allow_private_repositories:
            environment["APPHUB_ALLOW_PRIVATE_REPOSITORIES"] = "true"
        worker_settings = WorkerSettings(
            slots=working.slots,
            shared_slots=working.shared_slots,
            lease_s=working.lease_s,
            no_handler_after_s=working.no_handler_after_s,
            labels=labels,
            handler_settings=read(lambda: handler_settings(environment, directory)),
        )
        try:
            work(settings, worker_settings, packages, feed, metrics.address, cluster)
        except (PortTakenError, RayUnavailableError) as error:
            raise failure(error) from None


def _packages(working: WorkOptions, files: ServiceFiles, feed: Feed | None) -> Packages:
    """Return the handlers by entry point: what `up` or `dev` tells, else what probes find."""
    if feed is not None:
        return feed.packages()
    return handler_packages(working.handlers, working.commands, files.access)
