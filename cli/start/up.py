"""`apphub-jobs up`: everything at once, after a look at all that could be wrong."""

from contextlib import closing

import typer

from api.bootstrap.handlers import handler_packages
from cli.options import KeyOptions, StorageOptions, command, read
from cli.process.handler_feed import HandlerFile
from cli.process.up import Supervisor
from cli.start.banner import Banner, say
from cli.start.hidden_files import opened
from cli.start.listening import listening_on
from cli.start.options import WorkOptions
from cli.start.service import ServingOptions, Whole

upping = typer.Typer()


@command(upping)
def up(
    *, serving: ServingOptions, storage: StorageOptions, working: WorkOptions, keys: KeyOptions
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
                lambda: handler_packages(working.handlers, working.commands, whole.access)
            )
            # The worker need not ask again what has just been found.
            file.write(handlers)
            Banner.of(whole, listening, handlers).show()
            with opened(storage):
                code = supervisor.run()
    raise typer.Exit(code)
