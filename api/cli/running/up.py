"""`apphub-jobs up`: everything at once, after a look at all that could be wrong."""

from contextlib import closing

import typer

from api.bootstrap.handler_packages import handler_packages
from api.cli.options import KeyOptions, StorageOptions, command, read
from api.cli.running.banner import Banner, say
from api.cli.running.hiding import opened
from api.cli.running.listening import listening_on
from api.cli.running.whole import ServingOptions, Whole
from api.cli.running.working.options import WorkOptions
from api.process.handler_feed import HandlerFile
from api.process.up import Supervisor

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
