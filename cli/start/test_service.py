"""The hidden command that `apphub_jobs.testing` starts."""

import typer

from cli import composition  # noqa: F401 - its service has the catalog, too
from cli.process.test_service import serve_tests

test_service_app = typer.Typer()
test_service_app.command("test-service", hidden=True)(serve_tests)
