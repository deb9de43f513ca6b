"""`apphub-jobs ready`: waits until a service can be used, for scripts that have just started it."""

from time import monotonic, sleep
from typing import Annotated

import typer

from api.cli.daily.service import ServiceOptions
from api.cli.daily.waiting import GAVE_UP
from api.cli.options import command, read
from api.embedded.data_directory import directory_of
from api.process.announced import services
from apphub_jobs.client import Client, ClientError
from apphub_jobs.client.http import address

readiness = typer.Typer()

LOOK_AGAIN_S = 0.2


@command(readiness)
def ready(
    *,
    within_s: Annotated[
        float, typer.Option(min=0, help="Seconds to wait before giving up.")
    ] = 120.0,
    to: ServiceOptions,
) -> None:
    """Wait until a service is ready, and print its address; exit with 124 if none is in time."""
    if to.url is not None:
        given = to.url
        read(lambda: address(given))  # No waiting makes a right one of it.
    give_up_at = monotonic() + within_s
    while True:
        url = to.url or _running(to)
        if url is not None and _is_ready(url, to.token):
            typer.echo(url)
            return
        if monotonic() > give_up_at:
            break
        sleep(LOOK_AGAIN_S)
    where = to.url or directory_of(to.data_dir)
    typer.echo(
        f"apphub-jobs: no service is ready at {where} after {within_s:g} s:"
        " start one with `apphub-jobs up`, and see what `apphub-jobs doctor` says",
        err=True,
    )
    raise typer.Exit(GAVE_UP)


def _running(to: ServiceOptions) -> str | None:
    found = services(directory_of(to.data_dir))
    return found[0] if found else None


def _is_ready(url: str, token: str | None) -> bool:
    try:
        with Client(url, token, retry_for=0) as client:
            client.request("GET", "/ready")
    except (ClientError, ValueError):
        return False
    return True
