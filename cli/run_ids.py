"""What a run may be called: by its id, by the start of it that lists show, or as the last one."""

import re
from collections.abc import Iterable
from itertools import islice, pairwise
from typing import Annotated, NoReturn
from uuid import UUID

import typer

from apphub_jobs.client import Client, Run
from apphub_jobs.contract import Json
from cli.service import ERROR

LAST = "last"
"""What a run may be called beside its id: the one that was launched last."""

RunId = Annotated[str, typer.Argument(help="A run's id, the start of one, or `last`.")]
RunIds = Annotated[list[str], typer.Argument(help="Ids of runs, the starts of some, or `last`.")]

SHORT = 18
"""Characters of an id that lists show: ids that begin with a time differ by a microsecond then."""

_SHORTEST = 4

_MOST_READ = 200
"""Runs that are read for one id: the start of an id may be a part of a slug, too."""

_MOST_TOLD = 5

_START = re.compile(r"[0-9a-f-]+")


def short_length(ids: Iterable[str]) -> int:
    """Return how long the starts of these ids must be to tell them apart, `SHORT` at least."""
    in_order = sorted(set(ids))
    length = SHORT
    for one, next_one in pairwise(in_order):
        while one[:length] == next_one[:length]:
            length += 1
    return length


def is_short(text: str) -> bool:
    """Return whether a text can be the start of an id, and is no whole one."""
    return len(text) >= _SHORTEST and _START.fullmatch(text.lower()) is not None and not is_id(text)


def is_id(text: str) -> bool:
    """Return whether a text is a whole id."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def find_run(client: Client, text: str) -> Run[Json]:
    """Return the run that somebody calls so."""
    if text == LAST:
        newest = next(iter(client.runs()), None)
        if newest is None:
            refuse("there are no runs yet")
        return newest
    if not is_short(text):
        return client.run(text)
    start = text.lower()
    found = [
        run for run in islice(client.runs(search=start), _MOST_READ) if run.id.startswith(start)
    ]
    if not found:
        refuse(
            f"run not found: no id starts with {text};"
            " to see the newest runs: apphub-jobs runs list"
        )
    if len(found) > 1:
        refuse(ambiguous(text, [run.id for run in found]))
    return found[0]


def ambiguous(text: str, ids: list[str]) -> str:
    """Return what to say where several runs are called so."""
    shown = ", ".join(ids[:_MOST_TOLD])
    more = ", …" if len(ids) > _MOST_TOLD else ""
    return f"the ids of several runs start with {text}: {shown}{more}; give more of it"


def refuse(message: str) -> NoReturn:
    """Say what is wrong with the name of a run, and end."""
    typer.echo(f"apphub-jobs: {message}", err=True)
    raise typer.Exit(ERROR)
