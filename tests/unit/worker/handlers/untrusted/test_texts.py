"""Texts of strangers: what would steer a terminal is neither kept nor shown."""

import pytest

from catalog.handlers.untrusted import one_line, strip_control_sequences

ESCAPES = [
    "\x1b[31m",
    "\x1b[2J\x1b[1;1H",
    "\x9b5m",
    "\x1b]0;a title\x07",
    "\x1b]8;;https://evil.example\x1b\\",
    "\x9d0;another\x9c",
    "\x1bP1$r0m\x1b\\",
    "\x1b(0",
    "\x1bc",
    "\x07",
    "\x08",
    "\x7f",
    "\x85",
]


@pytest.mark.parametrize("escape", ESCAPES, ids=repr)
def test_what_steers_a_terminal_is_taken_out(escape: str) -> None:
    assert strip_control_sequences(f"be{escape}fore") == "before"
    assert one_line(f"{escape}a {escape} line{escape}", 100) == "a line"


@pytest.mark.parametrize("text", ["", "a\tb\nc", "Grüße 👩\u200d💻", "[31m", "100 %"])
def test_honest_texts_stay_as_they_are(text: str) -> None:
    assert strip_control_sequences(text) == text


def test_a_text_without_an_end_is_taken_out_in_no_time() -> None:
    assert strip_control_sequences("\x1b]" * 200_000) == ""
    assert strip_control_sequences("\x1b[" + "0" * 1_000_000) == ""
