"""Names of runs on the command line: the id, the start of an id, or `last`."""

import re
from collections.abc import Iterable
from datetime import datetime
from itertools import islice, pairwise
from typing import Annotated, NoReturn
from uuid import UUID

import typer

from apphub_jobs.client import Client, Run
from apphub_jobs.contract import Json
from cli.service import ERROR, exit_with

LAST = "last"
"""The name of the run that was launched last."""

RunId = Annotated[str, typer.Argument(help="A run's id, the start of one, or `last`.")]
RunIds = Annotated[list[str], typer.Argument(help="Ids of runs, the starts of some, or `last`.")]

SHORT = 18
"""Characters of an id that lists show: ids begin with a time, to the microsecond at this length."""

_MIN_LENGTH = 4

_MAX_CANDIDATES = 200
"""Runs that are read to find one: the start of an id may also be a part of a slug."""

_MAX_NAMED = 5

_START = re.compile(r"[0-9a-f-]+")


def short_length(ids: Iterable[str]) -> int:
    """Return the length at which the starts of these ids are distinct, at least `SHORT`."""
    length = SHORT
    for one, next_one in pairwise(sorted(set(ids))):
        while one[:length] == next_one[:length]:
            length += 1
    return length


def is_short(text: str) -> bool:
    """Return whether a text can be the start of an id, and is not a complete one."""
    return (
        len(text) >= _MIN_LENGTH and _START.fullmatch(text.lower()) is not None and not is_id(text)
    )


def is_id(text: str) -> bool:
    """Return whether a text is a complete id."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def find_run(client: Client, text: str, as_of: int | datetime | None = None) -> Run[Json]:
    """Return the run of an id, of the start of an id, or `last`; exit if there is none.

    With `as_of`, `last` is the run that was the newest at that log position or time.
    """
    if text == LAST:
        newest = next(iter(client.runs(as_of=as_of)), None)
        if newest is None:
            refuse("there are no runs yet" if as_of is None else "there were no runs at that time")
        return newest
    if not is_short(text):
        return client.run(text)
    start = text.lower()
    matches = [
        run
        for run in islice(client.runs(search=start), _MAX_CANDIDATES)
        if run.id.startswith(start)
    ]
    if not matches:
        refuse(
            f"run not found: no id starts with {text};"
            " to see the newest runs: apphub-jobs runs list"
        )
    if len(matches) > 1:
        refuse(ambiguous(text, [run.id for run in matches]))
    return matches[0]


def ambiguous(text: str, ids: list[str]) -> str:
    """Return the message for a text with which several ids start."""
    first = ", ".join(ids[:_MAX_NAMED])
    more = ", …" if len(ids) > _MAX_NAMED else ""
    return f"the ids of several runs start with {text}: {first}{more}; give more of it"


def refuse(message: str) -> NoReturn:
    """Print an error, and exit with code 1."""
    raise exit_with(message, ERROR)
