"""`apphub-jobs whoami`: whose token the commands send, and what it allows."""

from typing import Any

import typer

from cli.options import command
from cli.service import ServiceOptions, connected
from cli.terminal import AsJson, print_json

whoami_app = typer.Typer()


@command(whoami_app)
def whoami(*, as_json: AsJson = False, to: ServiceOptions) -> None:
    """Print whose token these commands send, and whether it may write."""
    with connected(to) as client:
        me: Any = client.request("GET", "/me")["data"]
    if as_json:
        print_json(me)
    elif me["isOpen"]:
        typer.echo("the service needs no token: everyone who reaches it may write")
    else:
        allowed = "read and write" if me["role"] == "write" else "only read"
        typer.echo(f"{me['principal']}, whose token may {allowed}")
