"""`apphub-jobs serve` and `apphub-jobs worker`: one process each."""

import os
from dataclasses import dataclass
from typing import Annotated

import typer

from api.bootstrap.handler_packages import handler_packages
from api.bootstrap.handler_settings import handler_settings, local_repositories
from api.bootstrap.service_files import ServiceFiles
from api.bootstrap.settings import Settings
from api.cli.opening import archive_directory, check_logs_store, keyed
from api.cli.options import (
    KeyOptions,
    ListeningOptions,
    StorageOptions,
    SubjectKey,
    TokensFile,
    WorkOptions,
    command,
    failure,
    read,
)
from api.cli.running.access import hosts_of, origins_of, tokens_in, warn_if_open
from api.cli.running.hiding import hidden_files, opened
from api.cli.running.listening import ShowRuns, listening_on
from api.cli.seal import sealing
from api.process.handler_feed import Feed, Packages
from api.process.http_server import PortTakenError
from api.process.serving import serve
from api.process.test_service import ClockShiftFile
from api.process.worker_metrics import Address
from api.process.working import work
from worker.lifecycle.worker import WorkerSettings

processes = typer.Typer()


@dataclass(frozen=True)
class ShowingOptions:
    """What an API shows, and by which clock it lives."""

    show_runs: ShowRuns = False
    clock_shift: ClockShiftFile = None


@command(processes, "serve")
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
    local = read(lambda: local_repositories(os.environ))
    with listening_on(listening) as address, opened(storage) as (directory, url):
        warn_if_open(listening, tokens)
        keyed(directory, url, keys.subject_key)
        settings = Settings(
            url,
            directory,
            archive=archive_directory(directory, storage.archive),
            tokens=tokens,
            hosts=hosts,
            origins=origins,
            local_repositories=bool(local),
            logs_store=storage.logs_store,
            sealing=sealing(directory, keys),
            subject_key=keys.subject_key,
            clock_shift=showing.clock_shift,
        )
        serve(settings, address, shows_runs=showing.show_runs)


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


@command(processes, "worker")
def worker_command(
    *,
    storage: StorageOptions,
    working: WorkOptions,
    subject_key: SubjectKey = None,
    metrics: MetricsOptions,
    clock_shift: ClockShiftFile = None,
) -> None:
    """Run a worker alone."""
    check_logs_store(storage.logs_store, to_write=True)
    feed = Feed.inherited(os.environ)
    files = hidden_files(storage, working, subject_key)
    files.tell()
    packages = read(lambda: _packages(working, files, feed))
    with opened(storage) as (directory, url):
        keyed(directory, url, subject_key)
        settings = Settings(
            url,
            directory,
            archive=archive_directory(directory, storage.archive),
            logs_store=storage.logs_store,
            subject_key=subject_key,
            clock_shift=clock_shift,
        )
        environment = dict(os.environ)
        if working.allow_private_repositories:
            environment["APPHUB_ALLOW_PRIVATE_REPOSITORIES"] = "true"
        worker_settings = WorkerSettings(
            slots=working.slots,
            lease_s=working.lease_s,
            handler_settings=read(lambda: handler_settings(environment, directory)),
        )
        try:
            work(settings, worker_settings, packages, feed, metrics.address)
        except PortTakenError as error:
            raise failure(error) from None


def _packages(working: WorkOptions, files: ServiceFiles, feed: Feed | None) -> Packages:
    """Return the handlers by entry point: what `up` or `dev` tells, else what probes find."""
    if feed is not None:
        return feed.packages()
    return handler_packages(working.handlers, working.commands, files.hidden)
