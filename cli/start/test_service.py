"""The hidden command that `apphub_jobs.testing` starts."""

import typer

from cli.process.test_service import serve_tests

testing = typer.Typer()
testing.command("test-service", hidden=True)(serve_tests)
