"""`apphub-jobs apps`: repositories in the catalog."""

from collections.abc import Mapping
from pathlib import Path
from time import sleep
from typing import Annotated, Any

import typer
from rich.text import Text

from apphub_jobs.client import Client
from apphub_jobs.client.requests.request import segment
from cli.options import command
from cli.service import ServiceOptions, connected
from cli.terminal import AsJson, console, print_document, print_json, print_list, print_table
from runtime.text import in_one_line

apps_app = typer.Typer(
    help="Add repositories to the catalog, and look at them.", no_args_is_help=True
)

LOOK_AGAIN_S = 0.5

STYLES = {"ready": "green", "failed": "red", "processing": "cyan"}


@command(apps_app)
def add(  # noqa: PLR0913 - one for each option
    *,
    repository: Annotated[str, typer.Argument(help="A git repository: a directory, or a URL.")],
    app_id: Annotated[
        str | None, typer.Option("--id", help="The app's id; default: the repository's name.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The app's name; default: its id.")] = None,
    description: Annotated[str, typer.Option(help="A description.")] = "",
    dockerfile: Annotated[
        str, typer.Option(help="The path at which the Dockerfile is searched first.")
    ] = "Dockerfile",
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until it has been ingested.")
    ] = True,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Add a repository to the catalog, and ingest it."""
    app_id = app_id or _name_of(repository)
    body = {
        "id": app_id,
        "name": name or app_id,
        "description": description,
        "repoUrl": _address_of(repository),
        "dockerfilePath": dockerfile,
        "tags": [],
    }
    with connected(to) as client:
        app = _data(client.request("POST", "/apps", body=body))
        typer.echo(f"added {app_id}", err=True)
        if wait:
            app = _until_read(client, app_id)
    _show(app, as_json=as_json)
    if app["ingestStatus"] == "failed":
        raise typer.Exit(3)


@command(apps_app, "list")
def list_apps(
    *,
    query: Annotated[
        str | None, typer.Option("--search", help="Words of a name, description, tag, id or URL.")
    ] = None,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """List the apps of the catalog."""
    with connected(to) as client:
        apps = _data(client.request("GET", "/apps", query={"q": query} if query else {}))
    columns = ("app", "status", "updated", "repository", "error")
    print_list(apps, columns, _row, as_json=as_json)


def _row(app: Mapping[str, Any]) -> tuple[str | Text, ...]:
    status = app["ingestStatus"]
    return (
        app["id"],
        Text(status, STYLES.get(status, "")),
        app["updatedAt"],
        app["repoUrl"],
        in_one_line(app["ingestError"] or ""),
    )


@command(apps_app)
def show(
    *,
    app_id: Annotated[str, typer.Argument(help="Which app.")],
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Show an app and its history."""
    with connected(to) as client:
        app = _data(client.request("GET", _path(app_id)))
        history = _data(client.request("GET", f"{_path(app_id)}/history"))
    if as_json:
        print_json({**app, "history": history})
        return
    print_document(app)
    console().print()
    columns = ("at", "status", "message")
    rows = [(step["createdAt"], step["status"], in_one_line(step["message"])) for step in history]
    print_table(columns, rows)


def _until_read(client: Client, app_id: str) -> Any:
    while True:
        app = _data(client.request("GET", _path(app_id)))
        if app["ingestStatus"] in {"ready", "failed"}:
            return app
        sleep(LOOK_AGAIN_S)


def _show(app: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(app)
        return
    line = f"{app['id']} {app['ingestStatus']}"
    if app["ingestError"]:
        line += f": {in_one_line(app['ingestError'])}"
    print_document(line)


def _address_of(repository: str) -> str:
    """Return a directory by its whole path, and anything else as it is."""
    path = Path(repository)
    return str(path.resolve()) if path.is_dir() else repository


def _name_of(repository: str) -> str:
    if Path(repository).is_dir():
        return Path(repository).resolve().name
    return repository.rstrip("/").rpartition("/")[2].removesuffix(".git")


def _path(app_id: str) -> str:
    return f"/apps/{segment(app_id)}"


def _data(answer: Any) -> Any:
    return answer["data"]
