"""The benchmarks' table: ratios, goals met or not, and the README's section."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.__main__ import HEADLINES, growth_rows, headlines
from benchmarks.harness.alone import effort_of
from benchmarks.harness.processes import BrokenError
from benchmarks.harness.processors import A_SECOND, ALL, IDLE, MEASURED, REST
from benchmarks.harness.results import (
    Bench,
    Effort,
    Reference,
    Row,
    from_json,
    in_turns,
    is_met,
    ratio,
    to_json,
)
from benchmarks.harness.table import (
    BEGIN,
    END,
    as_markdown,
    as_short_markdown,
    as_text,
    figure,
    lines,
    processor_lines,
    put_between_marks,
)
from benchmarks.rows.start_phases import PHASES, way_ms
from tests import ROOT

RATE = Row(
    "saves",
    "saves with rows",
    "/s",
    [400.0, 900.0, 500.0],
    [
        Reference("bare", [1000.0, 1000.0, 1000.0], goal=0.5),
        Reference("peer", [100.0, 100.0, 100.0]),
    ],
    more={"runs in a transaction": 52},
    notes=["short"],
)

TIME = Row(
    "starts", "starts", "ms", [2.0], [Reference("NOTIFY", [0.5], goal=3.0)], lower_is_better=True
)

TIMES = "\N{MULTIPLICATION SIGN}"

LIMITED = Row("stream", "stream", "ms", [12.5], lower_is_better=True, limit=20.0)


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    drifting = Row("a", "a", "/s", [10.0, 40.0, 90.0], [Reference("b", [10.0, 20.0, 30.0])])
    assert ratio(drifting, drifting.references[0]) == 2.0


@pytest.mark.parametrize(
    ("row", "reference", "met"),
    [
        (RATE, RATE.references[0], True),
        (RATE, RATE.references[1], None),
        (TIME, TIME.references[0], False),
        (LIMITED, None, True),
        (Row("stream", "stream", "ms", [20.1], lower_is_better=True, limit=20.0), None, False),
        (Row("noop", "noop", "/s", [1.0]), None, None),
    ],
)
def test_a_goal_is_met_by_its_own_direction(
    row: Row, reference: Reference | None, *, met: bool | None
) -> None:
    assert is_met(row, reference) is met


def test_each_reference_has_a_line_and_the_first_names_the_row() -> None:
    assert list(lines([RATE, TIME, LIMITED])) == [
        ("saves with rows", "500/s", "bare", "1 000/s", "0.50", f"≥ 0.5 {TIMES}", "yes"),
        ("", "", "peer", "100/s", "5.00", "", ""),
        ("starts", "2 ms", "NOTIFY", "0.50 ms", "4.00", f"≤ 3 {TIMES}", "no"),
        ("stream", "12.5 ms", "", "", "", "≤ 20 ms", "yes"),
    ]


def test_below_stands_what_each_system_takes_of_the_processors() -> None:
    read = dict.fromkeys((*MEASURED, ALL, REST), 1_234.5) | {A_SECOND: 800.0, IDLE: 0.254}
    row = replace(RATE, name="backlog", processor={"AppHub Jobs": read, "PgQueuer": read})
    [row] = from_json(to_json([row]))
    used = ("1 234",) * 6
    assert processor_lines([RATE, row]) == [
        ("a backlog alone", "AppHub Jobs", "800/s", *used, "25%"),
        ("a backlog alone", "PgQueuer", "800/s", *used, "25%"),
    ]
    assert "| a backlog alone | PgQueuer | 800/s |" in as_markdown([row])
    assert "idle" not in as_text([RATE])


def test_in_short_each_row_has_a_line_with_peers_beside_ours() -> None:
    both = Row(
        "both",
        "both",
        "/s",
        [50.0],
        [Reference("bare", [10.0], goal=3.0), Reference("PgQueuer", [40.0], goal=2.0)],
    )
    assert as_short_markdown([TIME, LIMITED, both]).splitlines() == [
        "| what | AppHub Jobs | Procrastinate | PgQueuer | beside |",
        "| --- | --- | --- | --- | --- |",
        "| starts | 2 ms |  |  | NOTIFY: 0.50 ms |",
        "| stream | 12.5 ms |  |  |  |",
        "| both | 50/s |  | 40/s | bare: 10/s |",
    ]


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (12_345.6, "/s", "12 346/s"),
        (0.333, "ms", "0.33 ms"),
        (12.34, "ms", "12.3 ms"),
        (0.0, "", "0"),
    ],
)
def test_figures_have_the_digits_that_say_something(value: float, unit: str, expected: str) -> None:
    assert figure(value, unit) == expected


def test_the_section_between_the_marks_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        put_between_marks(document, as_markdown([TIME]))
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| what | AppHub Jobs |")
    assert text.endswith(f"| no |\n{END}\nafter\n")
    assert "old" not in text


def test_a_document_without_marks_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text("nothing\n")
    with pytest.raises(ValueError, match="no place"):
        put_between_marks(document, "table")
    assert document.read_text() == "nothing\n"


def test_the_readme_has_a_place_for_the_table() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.count(BEGIN) == text.count(END) == 1


def test_the_readme_says_what_the_results_say() -> None:
    root = ROOT
    results = root / "docs" / "benchmarks" / "results.json"
    if not results.exists():
        pytest.skip("nothing has been measured yet")
    rows = from_json(json.dumps(json.loads(results.read_text())["rows"]))
    assert len(HEADLINES) <= 8
    assert as_short_markdown(headlines(rows)) in (root / "README.md").read_text()
    assert as_markdown(rows) in (root / "docs" / "performance.md").read_text()


def test_rows_survive_their_file() -> None:
    text = to_json([RATE, TIME, LIMITED])
    assert to_json(from_json(text)) == text
    assert "saves with rows: short" in as_text(from_json(text))


def test_every_other_round_goes_backwards(tmp_path: Path) -> None:
    order: list[str] = []

    def measure(name: str) -> float:
        order.append(name)
        return float(len(order))

    bench = Bench("", tmp_path, Effort(rounds=3))
    figures = in_turns(bench, {"a": lambda: measure("a"), "b": lambda: measure("b")})
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert figures == {"a": [1.0, 4.0, 5.0], "b": [2.0, 3.0, 6.0]}


def test_the_command_line_changes_the_effort() -> None:
    assert effort_of(quick=True, seconds=9.0).seconds == 9.0
    assert effort_of(quick=True).rounds == 1
    assert effort_of(quick=False, rounds=5).rounds == 5


def test_growth_is_the_slowest_answer_of_those_that_need_not_grow(tmp_path: Path) -> None:
    result = tmp_path / "growth.json"
    assert growth_rows(result) == []
    answers = [
        {"name": "newest", "ratio": 1.2, "grows": ""},
        {"name": "failed", "ratio": 1.9, "grows": ""},
        {"name": "counts", "ratio": 80.0, "grows": "as it counts"},
    ]
    result.write_text(
        json.dumps({"goal": 2.0, "sizes": {"10000": {}, "5000000": {}}, "rows": answers})
    )
    [row] = growth_rows(result)
    assert (row.value, row.limit, is_met(row, None)) == (1.9, 2.0, True)
    assert "failed" in row.notes[0]


def test_a_phase_lasts_until_its_first_mark_after_the_one_before() -> None:
    ends = range(2_000_000, 2_000_000 * len(PHASES) + 1, 2_000_000)
    times = {
        phase.mark: [end_ns - 100_000_000, end_ns, end_ns + 1_000_000]
        for phase, end_ns in zip(PHASES, ends, strict=True)
    }
    assert way_ms(times, 1_000_000, ends[-1]) == [1.0] + [2.0] * (len(PHASES) - 1)
    with pytest.raises(BrokenError, match=PHASES[1].title):
        way_ms({**times, PHASES[1].mark: [1]}, 1_000_000, ends[-1])
