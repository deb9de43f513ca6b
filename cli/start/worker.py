"""`apphub-jobs worker`: a worker alone.

First the options that only it has (`MetricsOptions`, `RayOptions`), then the command.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from api.bootstrap.handlers import handler_packages, warn_of_unset_variables
from api.bootstrap.service_files import ServiceFiles
from api.bootstrap.settings import Settings
from catalog.handler_settings import handler_settings
from cli.database import check_logs_store, database
from cli.log_access import archive_directory, archiving, database_with_keys
from cli.options import (
    ClockShiftFile,
    LoggingOptions,
    StorageOptions,
    SubjectKey,
    command,
    exit_on_error,
    failure,
)
from cli.process.handler_feed import HandlerFeed, Packages
from cli.process.sockets import Address, PortTakenError
from cli.process.worker import work
from cli.start.hidden_files import hidden_files
from cli.start.options import WorkOptions
from cli.start.tracing import traced_as
from domain.json_values import decode
from domain.workers import parse_labels
from worker.executors.ray.executor import RayCluster, RayUnavailableError, require_ray
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
            help="Port of the worker's own /metrics; 0 picks a free one; without it there is none.",
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


@dataclass(frozen=True)
class RayOptions:
    """The Ray cluster on which attempts run, if any."""

    ray_address: Annotated[
        str | None,
        typer.Option(
            envvar="APPHUB_RAY_ADDRESS",
            metavar="ADDRESS",
            help="Ray cluster on which attempts run; `local`: one on this host, for trials.",
        ),
    ] = None
    ray_runtime_env: Annotated[
        Path | None,
        typer.Option(
            envvar="APPHUB_RAY_RUNTIME_ENV",
            help='JSON file with Ray\'s runtime environment, such as {"working_dir": …}.',
        ),
    ] = None

    def cluster(self) -> RayCluster | None:
        """Return the cluster on which attempts run; None for this machine.

        Raises:
            OSError: the file cannot be read.
            ValueError: Ray is not installed, or the file holds no JSON object.
        """
        if self.ray_address is None:
            return None
        try:
            require_ray()
        except RayUnavailableError as error:
            raise ValueError(str(error)) from None
        if self.ray_runtime_env is None:
            return RayCluster(self.ray_address)
        return RayCluster(self.ray_address, _runtime_env(self.ray_runtime_env))


def _runtime_env(path: Path) -> Mapping[str, Any]:
    try:
        runtime_env = decode(path.read_text())
    except ValueError as error:
        msg = f"{path} must hold JSON: {error}"
        raise ValueError(msg) from None
    if not isinstance(runtime_env, dict):
        msg = f'{path} must hold an object, such as {{"working_dir": "handlers"}}'
        raise ValueError(msg)  # noqa: TRY004 - what an operator wrote, not what a caller gave
    return runtime_env


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
    feed = HandlerFeed.inherited(os.environ)
    files = hidden_files(storage, working, subject_key)
    files.warn()
    cluster = exit_on_error(ray.cluster)
    labels = exit_on_error(lambda: parse_labels(working.label or ()))
    packages = exit_on_error(lambda: _packages(working, files, feed))
    if cluster is None:  # On a cluster the nodes' variables count.
        warn_of_unset_variables(packages.values(), os.environ)
    patience_s = storage.wait_for_database_s
    with database(storage, patience_s=patience_s) as (directory, url):
        database_with_keys(directory, url, subject_key, patience_s=patience_s)
        settings = Settings(
            url,
            directory,
            archive=archive_directory(directory, storage.archive),
            archiving=archiving(storage),
            logs_store=storage.logs_store,
            subject_key=subject_key,
            wait_for_database_s=patience_s,
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
            handler_settings=exit_on_error(lambda: handler_settings(environment, directory)),
        )
        try:
            work(settings, worker_settings, packages, feed, metrics.address, cluster)
        except (PortTakenError, RayUnavailableError) as error:
            raise failure(error) from None


def _packages(working: WorkOptions, files: ServiceFiles, feed: HandlerFeed | None) -> Packages:
    """Return the package of each entry point: from `up` or `dev`, else from probes."""
    if feed is not None:
        return feed.packages()
    return handler_packages(working.handlers, working.commands, files.access, working.python)
