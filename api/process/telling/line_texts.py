"""A line about a run as a terminal shows it."""

from rich.text import Text

from api.process.telling.run_lines import STYLES, RunLine
from domain.clock import from_iso

WIDEST_WORD = max(map(len, STYLES))


def text_of(line: RunLine) -> Text:
    """Return a line as it is printed."""
    clock = from_iso(line.at).astimezone().strftime("%H:%M:%S")
    word = f"{line.what:<{WIDEST_WORD}}"
    return Text.assemble(
        (clock, "dim"),
        "  ",
        (word, line.style),
        "  ",
        (line.slug, "bold"),
        f"  {line.details}" if line.details else "",
        (f"  {line.run_id}", "dim"),
    )
