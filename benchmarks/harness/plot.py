"""A picture of the results: one panel a row, ours beside what it is held against."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from benchmarks.harness.results import Row, ratio
from benchmarks.harness.table import figure

OURS, OTHERS, LIMIT = "#1f6feb", "#b9c2cc", "#d1242f"

COLUMNS = 2

PANEL_WIDTH, PANEL_HEIGHT = 6.4, 1.9

LABEL_WIDTH = 26


def draw(rows: Sequence[Row], target: Path) -> bool:
    """Draw into a PNG; return False where matplotlib is not installed."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - only here, and not for everybody

        mpl.use("Agg")
        from matplotlib import pyplot as plt  # noqa: PLC0415
    except ImportError:
        return False
    # Of what is nothing there is nothing to see.
    rows = [row for row in rows if row.value]
    lines = -(-len(rows) // COLUMNS)
    size = (PANEL_WIDTH * COLUMNS, PANEL_HEIGHT * lines)
    picture, panels = plt.subplots(
        lines, COLUMNS, figsize=size, squeeze=False, layout="constrained"
    )
    for panel in panels.flat[len(rows) :]:
        panel.set_axis_off()
    for panel, row in zip(panels.flat, rows, strict=False):
        _panel(panel, row)
    picture.savefig(target, dpi=110, metadata={"Software": None})
    plt.close(picture)
    return True


def _panel(panel: Any, row: Row) -> None:
    values = [row.value, *(Row("", "", "", each.rounds).value for each in row.references)]
    labels = ["AppHub Jobs", *(fill(each.label, LABEL_WIDTH) for each in row.references)]
    bars = panel.barh(labels, values, color=[OURS, *[OTHERS] * len(row.references)])
    panel.bar_label(bars, [figure(value, row.unit) for value in values], padding=4, fontsize=8)
    panel.invert_yaxis()
    panel.margins(x=0.25)
    panel.set_xticks([])
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right", "bottom"]].set_visible(False)
    for place in _goals(row):
        if place is not None:
            panel.plot([place, place], [-0.45, 0.45], color=LIMIT, lw=1.5, ls="--")
    direction = "less is better" if row.lower_is_better else "more is better"
    panel.set_title(f"{row.title} ({direction})", fontsize=8.5, loc="left")


def _goals(row: Row) -> list[float | None]:
    """Return where our bar must reach to, or not beyond, for each goal."""
    if row.limit is not None:
        return [row.limit]
    return [
        None if each.goal is None else each.goal * row.value / ratio(row, each)
        for each in row.references
    ]
