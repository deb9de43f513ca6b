"""`apphub-jobs test-service`: a service whose database can be emptied and whose clock can be moved.

`apphub_jobs.testing` starts it, and ends it by closing its lifeline. The command is hidden.
"""

import os
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from api.bootstrap.handlers import handler_packages
from api.embedded import EmbeddedPostgres
from api.testing import prepare_databases
from cli import composition  # noqa: F401 - the service has the catalog, too
from cli.options import exit_on_error, say
from cli.process.handler_feed import HandlerFile
from cli.process.sockets import bind
from cli.process.supervisor import Supervisor

test_service_app = typer.Typer()

SHIFT_NAME = "clock-shift"

LEASE_S = 60.0
"""An attempt may stop at a breakpoint for this long."""

STOP_GRACE_S = 0.0
"""What a test has left running is stopped at once."""


@test_service_app.command("test-service", hidden=True)
def serve_tests(
    data_dir: Annotated[Path, typer.Option(help="An empty directory.")],
    handlers: Annotated[list[str] | None, typer.Option(help="Modules.")] = None,
    python: Annotated[str | None, typer.Option(help="Their Python.")] = None,
    slots: Annotated[int, typer.Option(min=1, max=256)] = 4,
) -> None:
    """Run a service for tests, on a database of its own that is emptied between them."""
    pythons = [python] if python else None
    packages = exit_on_error(lambda: handler_packages(handlers, None, pythons=pythons))
    server = EmbeddedPostgres(data_dir, can_create_databases=True)
    try:
        url = prepare_databases(server.start())
        settings = {
            "APPHUB_DATA_DIR": str(data_dir),
            "APPHUB_DATABASE_URL": url,
            "APPHUB_HOST": "127.0.0.1",
            "APPHUB_PORT": "0",
            "APPHUB_SLOTS": str(slots),
            "APPHUB_LEASE_S": str(LEASE_S),
            "APPHUB_STOP_GRACE_S": str(STOP_GRACE_S),
            "APPHUB_SEAL_EVERY_S": "0",
            "APPHUB_CLOCK_SHIFT": str(data_dir / SHIFT_NAME),
        }
        with bind(settings["APPHUB_HOST"], 0) as listening, closing(HandlerFile()) as file:
            file.write(packages)
            environment = {**without_settings(), **settings, **file.variables}
            descriptors = (file.descriptor,)
            code = Supervisor(environment, listening, say, STOP_GRACE_S, descriptors).run()
    finally:
        server.stop()
    raise typer.Exit(code)


def without_settings() -> dict[str, str]:
    """Return the environment without the settings of another service."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("APPHUB_") and name != "DATABASE_URL"
    }
