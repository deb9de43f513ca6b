"""What `benchmarks.growth` has found, if it was run: it takes too long to be part of every measurement."""

import json
from pathlib import Path

from benchmarks.measuring import Row
from benchmarks.processes import ROOT

RESULT = ROOT / "docs" / "benchmarks" / "growth.json"


def growth_rows(result: Path = RESULT) -> list[Row]:
    """Return the slowest growth of all questions, or nothing."""
    if not result.exists():
        return []
    found = json.loads(result.read_text())
    ratios = {str(row["name"]): float(row["ratio"]) for row in found["rows"] if not row.get("grows")}
    if not ratios:
        return []
    sizes = sorted(int(size) for size in found["sizes"])
    worst = max(ratios, key=lambda name: ratios[name])
    title = f"the slowest list or look-up, {sizes[-1]:,} runs over {sizes[0]:,}".replace(",", " ")
    note = f"of {len(ratios)} questions, from an earlier run of its own; the slowest: {worst}"
    return [
        Row("growth", title, "fold", [ratios[worst]], lower_is_better=True, limit=float(found["goal"]), notes=[note])
    ]
