"""What commands print cannot steer the terminal, whoever wrote it."""

import json

import pytest

from cli.terminal import harmless, print_table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("Grüße 👩\u200d💻", "Grüße 👩\u200d💻"),
        ("\x1b[2J", "\\u001b[2J"),
        ("\x9b5m", "\\u009b5m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("over\rwritten", "over\\u000dwritten"),
    ],
)
def test_it_is_shown_instead_of_obeyed(text: str, expected: str) -> None:
    assert harmless(text) == expected


def test_json_is_the_same_json_afterwards() -> None:
    text = json.dumps({"a": "\x9b\u202e\x7f\t"}, ensure_ascii=False)
    assert harmless(text) != text
    assert json.loads(harmless(text)) == json.loads(text)


@pytest.mark.parametrize("columns", range(1, 12))
def test_a_table_is_printed_however_narrow_the_terminal_is(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_table(("job", "what"), [("greet", "long words that are wrapped " * 3)])
    assert "greet" in capsys.readouterr().out
