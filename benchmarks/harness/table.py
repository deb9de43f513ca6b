"""The table of results: whole at a terminal and in the notes, a line a row in the README."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.harness.processors import A_SECOND, ALL, IDLE, MEASURED, REST
from benchmarks.harness.results import Row, is_met, ratio

BEGIN = "<!-- benchmarks: begin -->"

END = "<!-- benchmarks: end -->"

TIMES = "\N{MULTIPLICATION SIGN}"

HEADINGS = ("what", "AppHub Jobs", "against", "its figure", "ratio", "goal", "met")

READ = (*MEASURED, ALL, REST)

PEERS = ("Procrastinate", "PgQueuer")

PROCESSOR_HEADINGS = ("path", "system", A_SECOND, *(f"{name}, µs" for name in READ), IDLE)

PATHS = {"launches": "launching alone", "backlog": "a backlog alone", "noop": "launch to end"}
"""What the rows are about whose processors' time is counted."""

SHORT_HEADINGS = ("what", "AppHub Jobs", *PEERS, "beside")


MAX_MORE = 4
"""Further figures of a row that are worth a line each; where there are more, they are in the file
of results."""


def lines(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """Yield a line for each reference of each row, and one for each limit of our own."""
    for row in rows:
        what, ours = row.title, figure(row.value, row.unit)
        if row.limit is not None or not row.references:
            goal = "" if row.limit is None else f"≤ {figure(row.limit, row.unit)}"
            yield what, ours, "", "", "", goal, _yes(is_met(row, None))
            what = ours = ""
        for each in row.references:
            theirs = figure(median(each.rounds), row.unit)
            sign = "≤" if row.lower_is_better else "≥"
            goal = "" if each.goal is None else f"{sign} {each.goal:g} {TIMES}"
            met = _yes(is_met(row, each))
            yield what, ours, each.label, theirs, f"{ratio(row, each):.2f}", goal, met
            what = ours = ""


def figure(value: float, unit: str) -> str:
    """Return a figure with as many digits as say something."""
    digits = 2
    if abs(value) >= 10:  # noqa: PLR2004
        digits = 1
    if value == int(value) or abs(value) >= 100:  # noqa: PLR2004
        digits = 0
    number = f"{value:,.{digits}f}".replace(",", " ")
    return f"{number}{'' if unit.startswith('/') else ' '}{unit}".strip()


def _yes(met: bool | None) -> str:  # noqa: FBT001 - one of three answers
    if met is None:
        return ""
    return "yes" if met else "no"


def as_text(rows: Sequence[Row]) -> str:
    """Return the table for a terminal, with the notes below it."""
    tables = [[HEADINGS, *lines(rows)]]
    if processor := processor_lines(rows):
        tables.append([PROCESSOR_HEADINGS, *processor])
    return "\n".join([*(f"{_aligned(table)}\n" for table in tables), *notes(rows)])


def _aligned(cells: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def processor_lines(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return a line for each system of each path: how fast, and what each takes of processors."""
    return [
        (
            PATHS[row.name],
            system,
            figure(read[A_SECOND], "/s"),
            *(f"{read[name]:,.0f}".replace(",", " ") for name in READ),
            f"{read[IDLE]:.0%}",
        )
        for row in rows
        for system, read in row.processor.items()
    ]


def notes(rows: Sequence[Row]) -> list[str]:
    """Return what is to be said beside the table."""
    own = [f"{row.title}: {note}" for row in rows for note in row.notes]
    short = [row for row in rows if len(row.more) <= MAX_MORE]
    more = [
        f"{row.title}: {what}: {figure(value, '')}"
        for row in short
        for what, value in row.more.items()
    ]
    return own + more


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the whole table as Markdown, and below it what processors were used for."""
    tables = [_markdown(HEADINGS, list(lines(rows)))]
    if processor := processor_lines(rows):
        tables.append(_markdown(PROCESSOR_HEADINGS, processor))
    return "\n\n".join(tables)


def as_short_markdown(rows: Sequence[Row]) -> str:
    """Return a table with one line a row, peers beside ours."""
    return _markdown(SHORT_HEADINGS, [_short(row) for row in rows])


def _markdown(headings: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    cells = [headings, ("---",) * len(headings), *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


def _short(row: Row) -> tuple[str, ...]:
    theirs = {each.label: figure(median(each.rounds), row.unit) for each in row.references}
    peers = [theirs.get(label, "") for label in PEERS]
    beside = "; ".join(f"{label}: {value}" for label, value in theirs.items() if label not in PEERS)
    return row.title, figure(row.value, row.unit), *peers, beside


def put_between_marks(document: Path, text: str) -> None:
    """Replace what stands between the two marks of a document.

    Raises:
        ValueError: the marks are missing.
    """
    content = document.read_text()
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document.name} has no place for the results: {BEGIN} … {END}")
    document.write_text(f"{before}{BEGIN}\n{text.strip()}\n{END}{after}")
