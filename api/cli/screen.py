"""Where data are printed for people: standard output, in colours and fitted where it is a terminal.

In pipes nothing is cut off and no line broken in two. NO_COLOR is honoured by rich.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.text import Text

D = TypeVar("D", bound=Mapping[str, Any])

AsJson = Annotated[bool, typer.Option("--json", help="JSON Lines: an object a line.")]

GAP = "  "

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def console() -> Console:
    """Return standard output."""
    return Console(soft_wrap=True, highlight=False)


def print_json(document: Mapping[str, Any]) -> None:
    """Print one line."""
    typer.echo(orjson.dumps(document).decode())


def print_document(value: Any) -> None:
    """Print a value for people: a text as it is, everything else as JSON over several lines."""
    text = value
    if not isinstance(value, str):
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    if sys.stdout.isatty():
        text = harmless(text)
    typer.echo(text, color=True)  # In a pipe it stays as it is.


def print_list(
    found: Sequence[D],
    columns: Sequence[str],
    row: Callable[[D], Sequence[str | Text]],
    *,
    as_json: bool,
) -> None:
    """Print documents, each as a line of JSON or as a row of a table."""
    if not as_json:
        print_table(columns, [row(one) for one in found])
        return
    for one in found:
        print_json(one)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Print rows below their columns' names, each column as wide as its widest cell.

    The last column is as long as it likes; where it is a text of somebody's, so it should be.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    head = [Text(name, "dim") for name in columns]
    widths = [
        max(cell.cell_len for cell in column)
        for column in zip(head, *cells, strict=True)
    ]
    out = console()
    for row in (head, *cells):
        line = Text()
        for cell, width in zip(row, widths, strict=True):
            padded = cell.copy()
            padded.pad_right(width - cell.cell_len)
            line.append_text(padded)
            line.append(GAP)
        line.rstrip()
        out.print(line)


def _cell(value: str | Text) -> Text:
    if isinstance(value, Text):
        return value
    return Text(value)


def harmless(text: str) -> str:
    """Return a text that cannot steer a terminal; JSON stays the same JSON.

    What tables and events hold was often written by strangers.
    """
    if text.isascii() and text.isprintable():
        return text
    return _STEERING.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
