"""`apphub-jobs serve`: the API alone."""

import os
from dataclasses import dataclass

import typer

from api.bootstrap.environment import Colour, Environment
from api.bootstrap.settings import Settings
from catalog.handler_settings import local_repositories
from cli.database import check_logs_store, database
from cli.log_access import archive_directory, archiving, database_with_keys, sealing
from cli.options import (
    ClockShiftFile,
    KeyOptions,
    ListeningOptions,
    LoggingOptions,
    StorageOptions,
    TokensFile,
    command,
    exit_on_error,
)
from cli.process.server import serve
from cli.start.access import (
    hosts_of,
    origins_of,
    proxies_of,
    tokens_in,
    warn_if_open,
    warn_of_former_variable,
)
from cli.start.listening import EnvironmentColour, EnvironmentName, ShowRuns, listening_on
from cli.start.tracing import traced_as
from runtime.logs import LogFormat

serve_app = typer.Typer()


@dataclass(frozen=True)
class ShowingOptions:
    """What an API prints and shows, and its clock."""

    show_runs: ShowRuns = False
    environment_name: EnvironmentName = ""
    environment_colour: EnvironmentColour = Colour.GREY
    clock_shift: ClockShiftFile = None


@command(serve_app, "serve")
def serve_command(  # noqa: PLR0913 - one for each group of options
    *,
    listening: ListeningOptions,
    storage: StorageOptions,
    tokens_file: TokensFile = None,
    keys: KeyOptions,
    showing: ShowingOptions,
    logging: LoggingOptions,
) -> None:
    """Run the API alone."""
    check_logs_store(storage.logs_store, to_write=False)
    tokens = tokens_in(tokens_file)
    hosts = hosts_of(listening, tokens)
    origins = origins_of(listening, tokens)
    proxies = proxies_of(listening)
    local = exit_on_error(lambda: local_repositories(os.environ))
    patience_s = storage.wait_for_database_s
    with (
        listening_on(listening) as address,
        database(storage, patience_s=patience_s) as (directory, url),
    ):
        warn_if_open(listening, tokens)
        warn_of_former_variable()
        database_with_keys(directory, url, keys.subject_key, patience_s=patience_s)
        settings = Settings(
            url,
            directory,
            archive=archive_directory(directory, storage.archive),
            archiving=archiving(storage),
            tokens=tokens,
            hosts=hosts,
            origins=origins,
            trusted_proxies=proxies,
            environment=Environment(showing.environment_name, showing.environment_colour),
            local_repositories=bool(local),
            logs_store=storage.logs_store,
            sealing=sealing(directory, keys),
            subject_key=keys.subject_key,
            wait_for_database_s=patience_s,
            clock_shift=showing.clock_shift,
            traced_as=traced_as("apphub-jobs-api", os.environ),
        )
        shows_runs = showing.show_runs and logging.log_format is LogFormat.TEXT
        serve(settings, address, shows_runs=shows_runs)
