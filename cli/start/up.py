"""`apphub-jobs up`: database, API and worker together.

API and worker are started first: they import their code, which takes longest, while the options are
checked, the handlers probed and the database is opened. So this imports little before that.
"""

from contextlib import closing

import typer

from cli.options import KeyOptions, LoggingOptions, StorageOptions, command, exit_on_error, say
from cli.process.handler_feed import HandlerFile
from cli.process.supervisor import Supervisor
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
    with listening_on(serving) as listening, closing(HandlerFile()) as file:
        log_format = {"APPHUB_LOG_FORMAT": logging.log_format.value}
        environment = {**options.environment(), **log_format, **file.variables}
        descriptors = (file.descriptor,)
        grace_s = working.grace_s()
        with closing(Supervisor(environment, listening, say, grace_s, descriptors)) as supervisor:
            supervisor.prepare()
            # Imported here: API and worker import their code meanwhile.
            from api.bootstrap.handlers import handler_packages  # noqa: PLC0415
            from cli.database import database  # noqa: PLC0415
            from cli.start.banner import Banner  # noqa: PLC0415
            from cli.start.checks import access_of, check  # noqa: PLC0415

            check(options)
            access = access_of(options)
            handlers = exit_on_error(
                lambda: handler_packages(working.handlers, working.commands, access, working.python)
            )
            # So the worker need not probe the handlers again.
            file.write(handlers)
            Banner.of(options, listening, handlers).show()
            with database(storage, patience_s=storage.wait_for_database_s):
                code = supervisor.run()
    raise typer.Exit(code)
