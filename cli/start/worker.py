"""`apphub-jobs worker`: a worker alone."""

import os
from dataclasses import dataclass
from typing import Annotated

import typer

from api.bootstrap.handlers import handler_packages, warn_of_unset_variables
from api.bootstrap.service_files import ServiceFiles
from api.bootstrap.settings import Settings
from catalog.handler_settings import handler_settings
from cli.database import check_logs_store
from cli.log_access import archive_directory, archiving, database_with_keys
from cli.options import LoggingOptions, StorageOptions, SubjectKey, command, failure, read
from cli.process.handler_feed import Feed, Packages
from cli.process.sockets import Address, PortTakenError
from cli.process.test_service import ClockShiftFile
from cli.process.worker import work
from cli.start.cluster import RayOptions
from cli.start.hidden_files import hidden_files, opened
from cli.start.options import WorkOptions
from cli.start.tracing import traced_as
from domain.workers import labels_of
from worker.executors.ray.executor import RayUnavailableError
from worker.worker import WorkerSettings

worker_app = typer.Typer()


@dataclass(frozen=True)
class MetricsOptions:
    """Where a worker serves its metrics."""

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
        str, typer.Option(envvar="APPHUB_METRICS_HOST", help="Address of that port.")
    ] = "127.0.0.1"

    @property
    def address(self) -> Address | None:
        """The address of `/metrics`, None without one."""
        if self.metrics_port is None:
            return None
        return Address(self.metrics_host, self.metrics_port)


@command(worker_app, "worker")
def worker_command(  # noqa: PLR0913 - one for each group of options
    *,
    storage: StorageOptions,
    working: WorkOptions,
    subject_key: SubjectKey = None,
    metrics: MetricsOptions,
    ray: RayOptions,
    logging: LoggingOptions,
    clock_shift: ClockShiftFile = None,
) -> None:
    """Run a worker alone."""
    del logging  # In use since it was read.
    check_logs_store(storage.logs_store, to_write=True)
    feed = Feed.inherited(os.environ)
    files = hidden_files(storage, working, subject_key)
    files.warn()
    cluster = read(ray.cluster)
    labels = read(lambda: labels_of(working.label or ()))
    packages = read(lambda: _packages(working, files, feed))
    if cluster is None:  # On a cluster the nodes' variables count.
        warn_of_unset_variables(packages.values(), os.environ)
    with opened(storage) as (directory, url):
        database_with_keys(directory, url, subject_key, patience_s=storage.wait_for_database_s)
        settings = Settings(
            url,
            directory,
            archive=archive_directory(directory, storage.archive),
            archiving=archiving(storage),
            logs_store=storage.logs_store,
            subject_key=subject_key,
            wait_for_database_s=storage.wait_for_database_s,
            clock_shift=clock_shift,
            traced_as=traced_as("apphub-jobs-worker", os.environ),
        )
        environment = dict(os.environ)
        if working.allow_private_repositories:
            environment["APPHUB_ALLOW_PRIVATE_REPOSITORIES"] = "true"
        worker_settings = WorkerSettings(
            slots=working.slots,
            shared_slots=working.shared_slots,
            lease_s=working.lease_s,
            stop_grace_s=working.grace_s(),
            no_handler_after_s=working.no_handler_after_s,
            labels=labels,
            handler_settings=read(lambda: handler_settings(environment, directory)),
        )
        try:
            work(settings, worker_settings, packages, feed, metrics.address, cluster)
        except (PortTakenError, RayUnavailableError) as error:
            raise failure(error) from None


def _packages(working: WorkOptions, files: ServiceFiles, feed: Feed | None) -> Packages:
    """Return the package of each entry point: from `up` or `dev`, else from probes."""
    if feed is not None:
        return feed.packages()
    return handler_packages(working.handlers, working.commands, files.access, working.python)
