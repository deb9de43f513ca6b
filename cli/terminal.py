"""How commands print: standard output, in colours and fitted to the width on a terminal.

First documents, lists and tables, and texts that cannot steer a terminal (`harmless`); then
standard output that takes nothing more, such as a file on a full disk. In pipes nothing is cut off
and no line is broken in two. rich honours NO_COLOR.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Annotated, Any, TextIO, TypeVar

import orjson
import typer
from rich.console import Console
from rich.text import Text

from cli.options import failure

D = TypeVar("D", bound=Mapping[str, Any])

AsJson = Annotated[bool, typer.Option("--json", help="JSON Lines: an object a line.")]

GAP = "  "

_BELOW = " " * 4

_LEAST_BESIDE = 24
"""Characters that the last column needs beside the others, to stand there."""

_LEAST_COLUMN = 6

_COLOURS = re.compile(r"(\x1b\[[0-9;:]*m)")
"""Colours and weights of letters (SGR); all other sequences steer."""

_NO_COLOUR = "\x1b[0m"

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


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str | Text]], *, is_cut: bool = False
) -> None:
    """Print rows below their columns' names, each column as wide as its widest cell.

    The last column is as long as it likes; where it is a text of somebody's, so it should be. On a
    terminal it is broken between words, and stands on lines of its own where there is little room
    beside the others; of these, the widest are cut off where all together are too wide.

    Args:
        columns: their names.
        rows: their cells.
        is_cut: whether the last column is cut off on a terminal instead: one line tells enough.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    head = [Text(name, "dim") for name in columns]
    widths = [max(cell.cell_len for cell in column) for column in zip(head, *cells, strict=True)]
    out = console()
    if not out.is_terminal:
        for row in (head, *cells):
            out.print(_line(row, widths))
        return
    *others, last = widths
    if not any(row[-1] for row in cells):
        last, head[-1] = 0, Text()
    others = _fitted(others, out.width)
    beside = out.width - sum(others) - len(GAP) * len(others)
    is_below = last > beside and beside < _LEAST_BESIDE
    room = out.width - len(_BELOW) if is_below else beside
    for row in (head, *cells):
        *first_cells, last_cell = row
        line = _line([*first_cells, Text()], [*others, 0])
        told = last_cell.copy()
        if is_cut:
            told.truncate(room, overflow="ellipsis")
        lines = [*told.wrap(out, room)] if told else []
        if not is_below and lines:
            line.pad_right(out.width - beside - line.cell_len)
            line.append_text(lines.pop(0))
        out.print(line)
        indent = _BELOW if is_below else " " * (out.width - beside)
        for more in lines:
            out.print(Text(indent).append_text(more))


def _line(row: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(row, widths, strict=True):
        fitted = cell.copy()
        fitted.truncate(max(width, 1), overflow="ellipsis", pad=True)
        line.append_text(fitted)
        line.append(GAP)
    line.rstrip()
    return line


def _fitted(widths: Sequence[int], width: int) -> list[int]:
    """Return the columns' widths, the widest cut where all are wider than the terminal.

    The first column is left as it is: by it somebody goes on asking.
    """
    fitted = list(widths)
    while sum(fitted) + len(GAP) * len(fitted) > width and len(fitted) > 1:
        widest = max(range(1, len(fitted)), key=fitted.__getitem__)
        if fitted[widest] <= _LEAST_COLUMN:
            break
        fitted[widest] -= 1
    return fitted


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


def print_output(line: str, stream: TextIO) -> None:
    """Print a line that a handler printed: to a terminal without what would steer it."""
    if stream.isatty():
        line = coloured_only(line)
    typer.echo(line, stream, color=True)  # In a pipe it stays as it is.


def coloured_only(text: str) -> str:
    """Return a text that can do nothing to a terminal but colour itself."""
    # What a progress bar writes over itself is shown line by line.
    plain = text.rstrip("\r").replace("\r", "\n")
    pieces = _COLOURS.split(plain)
    if len(pieces) == 1:
        return harmless(plain)
    shown = [piece if _COLOURS.fullmatch(piece) else harmless(piece) for piece in pieces]
    return f"{''.join(shown)}{_NO_COLOUR}"


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


class OutputLostError(OSError):
    """What is printed cannot be written."""


class _Output(TextIOWrapper):
    """Standard output that tells its own failures apart from those of other files."""

    def write(self, text: str) -> int:
        """Write a text."""
        try:
            return super().write(text)
        except OSError as error:
            raise _told_apart(error) from None

    def flush(self) -> None:
        """Write what is left."""
        try:
            super().flush()
        except OSError as error:
            raise _told_apart(error) from None


@contextmanager
def told_where_output_is_lost() -> Iterator[None]:
    """End with one clear line where standard output cannot be written."""
    if isinstance(sys.stdout, TextIOWrapper):  # None where it was closed at the start.
        sys.stdout = _output(sys.stdout)
    try:
        yield
    except OutputLostError as error:
        _drop_output()
        message = f"standard output cannot be written: {error.strerror}"
        raise SystemExit(failure(message).exit_code) from None


def _output(given: TextIOWrapper) -> _Output:
    unbuffered = given.write_through
    descriptor = os.fdopen(given.fileno(), "wb", buffering=0 if unbuffered else -1, closefd=False)
    return _Output(
        descriptor,
        encoding=given.encoding,
        errors=given.errors,
        line_buffering=given.line_buffering,
        write_through=unbuffered,
    )


def _told_apart(error: OSError) -> OSError:
    if isinstance(error, BrokenPipeError):
        return error  # Who read it is gone, as in `| head`: that is no failure.
    return OutputLostError(error.errno, error.strerror)


def _drop_output() -> None:
    """Let what is left go nowhere: the interpreter writes it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
