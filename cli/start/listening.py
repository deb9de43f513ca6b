"""What `up` and `serve` share: the port, bound before all else, and options of the dashboard."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from api.bootstrap.environment import Colour
from cli.options import ListeningOptions, failure
from cli.process.sockets import PortTakenError, bind, inherited

EnvironmentName = Annotated[
    str,
    typer.Option(
        envvar="APPHUB_ENVIRONMENT_NAME",
        help="What the dashboard calls this service, such as production.",
    ),
]
EnvironmentColour = Annotated[
    Colour,
    typer.Option(
        envvar="APPHUB_ENVIRONMENT_COLOUR",
        help="The dashboard's colour for it; if red, dangerous actions ask for the name.",
    ),
]
ShowRuns = Annotated[
    bool,
    typer.Option(
        "--show-runs/--no-show-runs",
        envvar="APPHUB_SHOW_RUNS",
        help="Print a line for each start and end of a run.",
    ),
]


@contextmanager
def listening_on(options: ListeningOptions) -> Iterator[socket.socket]:
    """Open the socket that the API listens on: the parent's, if `up` has started this process."""
    try:
        listening = inherited(os.environ) or bind(options.host, options.port)
    except PortTakenError as error:
        raise failure(f"{error} (--port)") from None
    with listening:
        yield listening
