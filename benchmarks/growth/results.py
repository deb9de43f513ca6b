"""What came out of a measurement of growth: kept by size, and printed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.growth import lives
from domain.json_values import JsonObject

GOAL = 2.0


@dataclass
class Results:
    """What came out, by size."""

    sizes: dict[int, JsonObject] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def note(self, name: str, took: Mapping[int, Sequence[float]], **more: Any) -> None:
        """Keep how long something took, round by round."""
        smallest, largest = took[min(took)], took[max(took)]
        # Of each round, for what disturbs one disturbs both.
        ratio = median(large / small for large, small in zip(largest, smallest, strict=True))
        ms = {str(size): round(median(times), 3) for size, times in took.items()}
        self.rows.append({"name": name, "ms": ms, "ratio": round(ratio, 2), **more})

    def present(self) -> JsonObject:
        """Return all of it, for other programs."""
        sizes: JsonObject = {str(size): described for size, described in self.sizes.items()}
        rows: list[Any] = self.rows
        return {"goal": GOAL, "assumed": lives.assumed(), "sizes": sizes, "rows": rows}


def show(results: Results) -> None:
    """Print the figures."""
    sizes = [str(size) for size in results.sizes]
    print(
        f"\n{'median ms, warm':62}"
        + "".join(f"{int(size):>12,}" for size in sizes)
        + f"{'ratio':>8}   pages"
    )
    for row in results.rows:
        figures = "".join(f"{row['ms'][size]:12.3f}" for size in sizes)
        pages = " ".join(str(count) for count in row.get("pages", {}).values())
        print(f"{row['name']:62}{figures}{row['ratio']:8.2f}   {pages}{_remarks(row)}")
    for size, described in results.sizes.items():
        print(f"{size:,} runs: {described}")


def _remarks(row: Mapping[str, Any]) -> str:
    said = ""
    if row.get("grows"):
        said = f"  grows: {row['grows']}"
    elif row["ratio"] > GOAL:
        said = "  > GOAL"
    if row.get("scanned"):
        said += f"  READS ALL OF {', '.join(row['scanned'])}"
    return said
