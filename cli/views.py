"""`apphub-jobs views`: filters of the list of runs under names that everybody sees.

`runs list --view NAME` lists the runs of one.
"""

import shlex
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated

import typer

from apphub_jobs.client import Client, ViewDocument
from apphub_jobs.client.documents import RunOrder
from cli.options import command
from cli.parameters import check_conditions
from cli.service import ERROR, REMEDIES, ServiceOptions, complete, connected, exit_with
from cli.terminal import AsJson, harmless, print_json, print_list
from cli.times import AsOf, position_or_moment, with_moments
from runtime.text import in_one_line

views_app = typer.Typer(
    help="List, save and delete filters of the list of runs, shared by all users.",
    no_args_is_help=True,
)


def complete_view(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of views that begin with a text; none if the service does not answer."""
    return complete(context, incomplete, lambda client: [view.name for view in client.views.each()])


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The view's name.", autocompletion=complete_view)
]


@command(views_app, "list")
def list_views(*, as_of: AsOf = None, as_json: AsJson = False, to: ServiceOptions) -> None:
    """List all saved views, by name."""
    moment = position_or_moment(as_of, datetime.now(UTC))
    with connected(to) as client:
        views = [*client.views.each(moment)]
    columns = ("view", "sort", "saved by", "filter")
    print_list(views, columns, _row, as_json=as_json, none="no saved views")


def _row(view: ViewDocument) -> tuple[str, ...]:
    conditions = in_one_line(shlex.join(view.filter)) or "all runs"
    return in_one_line(view.name), view.sort, in_one_line(view.saved_by), conditions


@command(views_app)
def save(
    *,
    name: Name,
    where: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILTER]...",
            help="Conditions that must all hold, as for `runs list`; without any, all runs."
            " Relative times, such as 2h, are saved as the time that they mean now.",
        ),
    ] = None,
    sort: Annotated[RunOrder, typer.Option(help="The list's order, as for `runs list`.")] = (
        "created"
    ),
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Save a view under a name, replacing any view of that name."""
    conditions = check_conditions(with_moments(where or (), datetime.now(UTC)))
    with connected(to) as client:
        view = client.views.save(name, conditions, sort)
    if as_json:
        print_json(view)
        return
    typer.echo(f"{harmless(view.name)} is saved", err=True)


@command(views_app)
def delete(*, name: Name, to: ServiceOptions) -> None:
    """Delete a view; its name can be used again."""
    with connected(to) as client:
        view = client.views.delete(name)
    typer.echo(f"{harmless(view.name)} is deleted", err=True)


def find_view(client: Client, name: str) -> ViewDocument:
    """Return the view with this name; exit if there is none, with the most similar name."""
    views = {view.name: view for view in client.views.each()}
    if name in views:
        return views[name]
    similar = get_close_matches(name, views, 1)
    suggestion = f"; did you mean {similar[0]}?" if similar else ""
    message = f"no saved view is named {name}{suggestion}; {REMEDIES['view_not_found']}"
    raise exit_with(message, ERROR)
