"""What a command imports before anybody sees something of it: not what only others need."""

import subprocess
import sys

import pytest
import typer
from typer.core import TyperGroup

from cli.main import HELP, complete
from tests import ROOT

DATABASE = {"psycopg", "eventsourcing", "cryptography", "eventlog", "projections"}
SCHEMAS = {"jsonschema", "referencing", "regex"}
WEB = {"fastapi", "starlette", "pydantic", "uvicorn"}
CLIENT = {"httpx"}


@pytest.mark.parametrize(
    ("arguments", "needless"),
    [
        ("--help", {*DATABASE, *SCHEMAS, *WEB, *CLIENT, "domain", "yaml"}),
        ("rusn", {*DATABASE, *SCHEMAS, *WEB, *CLIENT, "domain", "yaml"}),
        ("--version", {*DATABASE, *SCHEMAS, *WEB, *CLIENT, "domain", "yaml", "rich"}),
        ("up", {*DATABASE, *SCHEMAS, *WEB, *CLIENT, "yaml", "rich"}),
        ("runs", {*DATABASE - {"eventsourcing", "projections"}, *SCHEMAS, *WEB}),
        ("worker", {*CLIENT, "fastapi", "pydantic", "uvicorn", "rich", "ray", "opentelemetry"}),
        ("serve", {*CLIENT, "rich.progress", "sqlalchemy", "alembic", "opentelemetry.sdk"}),
    ],
)
def test_a_command_imports_nothing_that_only_others_need(
    arguments: str, needless: set[str]
) -> None:
    program = (
        "import sys, cli.main\n"
        f"cli.main.add_commands_for({arguments.split()})\n"
        f"print(*sorted({needless} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert (done.stdout, done.stderr) == ("\n", "")


def test_help_shows_the_first_paragraph_of_each_commands_own_help() -> None:
    program = typer.main.get_command(complete())
    assert isinstance(program, TyperGroup)
    own = {
        name: (command.help or "").partition("\n\n")[0].replace("\n", " ")
        for name, command in program.commands.items()
        if not command.hidden and name != "demo"
    }
    assert own == HELP
