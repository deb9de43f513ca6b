"""What longer measurements found, where they were run: they are no part of the usual one.

`docs/benchmarks/growth.json` is what `benchmarks.growth.__main__` writes;
`docs/benchmarks/memory.json` holds rows of this table, as `measuring.to_json` writes them.
"""

import json
from pathlib import Path

from benchmarks.harness.processes import ROOT
from benchmarks.harness.results import Row, from_json

RESULT = ROOT / "docs" / "benchmarks" / "growth.json"

MEMORY = ROOT / "docs" / "benchmarks" / "memory.json"


def memory_rows(result: Path = MEMORY) -> list[Row]:
    """Return the rows about the API's memory, or nothing."""
    return from_json(result.read_text()) if result.exists() else []


def growth_rows(result: Path = RESULT) -> list[Row]:
    """Return the slowest growth of all questions, or nothing."""
    if not result.exists():
        return []
    found = json.loads(result.read_text())
    ratios = {
        str(row["name"]): float(row["ratio"]) for row in found["rows"] if not row.get("grows")
    }
    if not ratios:
        return []
    sizes = sorted(int(size) for size in found["sizes"])
    worst = max(ratios, key=lambda name: ratios[name])
    most, least = (f"{size:,}".replace(",", " ") for size in (sizes[-1], sizes[0]))
    title = f"the slowest list or look-up, {most} runs over {least}"
    note = f"of {len(ratios)} questions, from an earlier run of its own; the slowest: {worst}"
    return [
        Row(
            "growth",
            title,
            "fold",
            [ratios[worst]],
            lower_is_better=True,
            limit=float(found["goal"]),
            notes=[note],
        )
    ]
