"""How commands print: standard output, in colours and fitted to the width on a terminal.

First documents, lists and tables, then texts without control characters (`harmless`). In pipes
nothing is cut off and no line is wrapped. rich honours NO_COLOR.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TextIO, TypeVar

import orjson
import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text
from typing_extensions import override

D = TypeVar("D", bound=Mapping[str, Any])

AsJson = Annotated[bool, typer.Option("--json", help="JSON Lines: an object a line.")]

GAP = "  "

_BELOW = " " * 4

_MIN_LAST_COLUMN = 24
"""With fewer characters the last column stands below the others."""

_MIN_COLUMN = 6

_COLOURS = re.compile(r"(\x1b\[[0-9;:]*m)")
"""Colours and weights of letters (SGR); all other sequences control the terminal."""

_NO_COLOUR = "\x1b[0m"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class _HarmlessConsole(Console):
    """Shows control characters of texts, which may be anybody's, instead of obeying them."""

    @override
    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text))


def console() -> Console:
    """Return standard output as a console that never wraps lines."""
    return _HarmlessConsole(soft_wrap=True, highlight=False)


def print_json(document: Mapping[str, Any]) -> None:
    """Print an object as one line of JSON."""
    print_document(orjson.dumps(document).decode())


def print_note(text: str) -> None:
    """Print a note on standard error, without control characters."""
    typer.echo(harmless(text), err=True)


def print_document(value: Any) -> None:
    """Print a value for people: a string as it is, everything else as indented JSON."""
    text = value
    if not isinstance(value, str):
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    if sys.stdout.isatty():
        text = harmless(text)
    typer.echo(text, color=True)  # In a pipe it stays as it is.


def print_list(
    documents: Sequence[D],
    columns: Sequence[str],
    row: Callable[[D], Sequence[str | Text]],
    *,
    as_json: bool,
    none: str = "",
) -> None:
    """Print documents, each as a line of JSON or as a row of a table; without any, `none`."""
    if as_json:
        for document in documents:
            print_json(document)
    elif none and not documents:
        console().print(none, style="dim")
    else:
        print_table(columns, [row(document) for document in documents])


def print_facts(facts: Mapping[str, str | None]) -> None:
    """Print names and values below each other; a value of None is left out."""
    out = console()
    widest = max(map(len, facts))
    for name, value in facts.items():
        if value is not None:
            out.print(Text.assemble((f"  {name:<{widest}}  ", "dim"), harmless(value)))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str | Text]], *, is_cut: bool = False
) -> None:
    """Print rows below their columns' names, each column as wide as its widest cell.

    The last column may be of any length, and should be a column of long texts. On a
    terminal it is wrapped between words, and stands on lines of its own if there is too little
    space beside the others; the widest of the others are cut off if they do not fit.

    Args:
        columns: the columns' names.
        rows: the rows' cells.
        is_cut: whether the last column is cut off on a terminal instead of wrapped.
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
    is_below = last > beside and beside < _MIN_LAST_COLUMN
    available = max(out.width - len(_BELOW), 1) if is_below else beside
    for row in (head, *cells):
        *first_cells, last_cell = row
        line = _line([*first_cells, Text()], [*others, 0])
        text = last_cell.copy()
        if is_cut:
            text.truncate(available, overflow="ellipsis")
        lines = [*text.wrap(out, available)] if text else []
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
    """Return the columns' widths, the widest reduced if all are wider than the terminal.

    The first column keeps its width: its ids are arguments of other commands.
    """
    fitted = list(widths)
    while sum(fitted) + len(GAP) * len(fitted) > width and len(fitted) > 1:
        widest = max(range(1, len(fitted)), key=fitted.__getitem__)
        if fitted[widest] <= _MIN_COLUMN:
            break
        fitted[widest] -= 1
    return fitted


def _cell(value: str | Text) -> Text:
    # Escaped before its width is measured.
    return value if isinstance(value, Text) else Text(harmless(value))


def harmless(text: str) -> str:
    """Return a text whose control characters are escaped; JSON stays the same JSON.

    Tables and events hold texts from anybody, which must not control the terminal.
    """
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(_escaped, text)


def print_output(line: str, stream: TextIO, *, is_error: bool) -> None:
    """Print a line of a handler's output: to a terminal without control characters.

    There a line that was printed on standard error is marked.
    """
    if stream.isatty():
        line = coloured_only(_marked(line) if is_error else line)
    typer.echo(line, stream, color=True)  # In a pipe it stays as it is.


def _marked(line: str) -> str:
    """Return a line of a log so that people see that it was printed on standard error."""
    time, _, text = line.partition(" ")
    return f"{time.upper()} ! {text}"


def coloured_only(text: str) -> str:
    """Return a text whose only control sequences are colours."""
    # The states of a progress bar, which overwrite each other, become lines.
    plain = text.rstrip("\r").replace("\r", "\n")
    pieces = _COLOURS.split(plain)
    if len(pieces) == 1:
        return harmless(plain)
    safe = [piece if _COLOURS.fullmatch(piece) else harmless(piece) for piece in pieces]
    return f"{''.join(safe)}{_NO_COLOUR}"


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
