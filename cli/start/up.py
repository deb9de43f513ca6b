"""`apphub-jobs up`: database, API and worker together, after a check of all options."""

from contextlib import closing

import typer

from api.bootstrap.handlers import handler_packages
from cli.database import database
from cli.options import KeyOptions, LoggingOptions, StorageOptions, command, read
from cli.process.handler_feed import HandlerFile
from cli.process.supervisor import Supervisor
from cli.start.banner import Banner, say
from cli.start.listening import listening_on
from cli.start.options import WorkOptions
from cli.start.service import AllOptions, ServingOptions

up_app = typer.Typer()


@command(up_app)
def up(
    *,
    serving: ServingOptions,
    storage: StorageOptions,
    working: WorkOptions,
    keys: KeyOptions,
    logging: LoggingOptions,
) -> None:
    """Run database, API and worker together until Ctrl-C."""
    options = AllOptions(serving, storage, working, keys)
    options.check()
    with listening_on(serving) as listening, closing(HandlerFile()) as file:
        log_format = {"APPHUB_LOG_FORMAT": logging.log_format.value}
        environment = {**options.environment(), **log_format, **file.variables}
        passed = (file.descriptor,)
        grace_s = working.grace_s()
        with closing(Supervisor(environment, listening, say, grace_s, passed)) as supervisor:
            # The rest is prepared while the processes import their code.
            supervisor.prepare()
            handlers = read(
                lambda: handler_packages(
                    working.handlers, working.commands, options.access, working.python
                )
            )
            # So the worker need not probe the handlers again.
            file.write(handlers)
            Banner.of(options, listening, handlers).show()
            with database(storage, patience_s=storage.wait_for_database_s):
                code = supervisor.run()
    raise typer.Exit(code)
