"""What `up` and `serve` share: the port, taken before anything else starts, and lines of runs."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from api.cli.options import ListeningOptions, failure
from api.process.listening import PortTakenError, bind, inherited

ShowRuns = Annotated[
    bool,
    typer.Option(
        "--show-runs/--no-show-runs",
        envvar="APPHUB_SHOW_RUNS",
        help="Print a line for each start and end of a run.",
    ),
]


@contextmanager
def listening_on(given: ListeningOptions) -> Iterator[socket.socket]:
    """Give the socket that the API listens on: the parent's, if `up` has started this process."""
    try:
        listening = inherited(os.environ) or bind(given.host, given.port)
    except PortTakenError as error:
        raise failure(f"{error} (--port)") from None
    with listening:
        yield listening
