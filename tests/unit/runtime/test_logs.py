"""What a line of a process's log looks like, and what is masked in it."""

import asyncio
import json
import logging
from time import process_time

import pytest

from runtime.logs import JsonFormatter, TextFormatter, add_own_log_fields, mask_secrets


def _record(message: str, **fields: str) -> logging.LogRecord:
    record = logging.LogRecord("worker", logging.WARNING, "", 1, message, None, None)
    record.__dict__["fields"] = fields
    return record


async def test_a_line_has_the_fields_of_its_task_and_of_no_other() -> None:
    add_own_log_fields(run="r1", attempt=2)

    async def of_another_task() -> str:
        return TextFormatter().format(_record("a process ended"))

    line = TextFormatter().format(_record("run r1 ended", outcome="error"))
    assert line.endswith(" WARNING worker: run r1 ended (attempt=2 outcome=error)")
    assert json.loads(JsonFormatter().format(_record("ended")))["run"] == "r1"
    other = await asyncio.create_task(of_another_task())
    assert other.endswith("worker: a process ended")


def test_a_traceback_and_line_feeds_stay_in_the_objects_line() -> None:
    record = _record("two\nlines")
    record.exc_info = (ValueError, ValueError("wrong: password=hunter2"), None)
    text = JsonFormatter().format(record)
    line = json.loads(text)
    assert "\n" not in text
    assert line["message"] == "two\nlines"
    assert line["error"].endswith("ValueError: wrong: password=***")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at postgresql://me:pass@db:5432/jobs", "at postgresql://***@db:5432/jobs"),
        ("GET 'https://x.example/a?token=abc&b=1' ended", "GET 'https://x.example/a?***' ended"),
        ("'redis://:pass@db?x=a' or http://a/?b", "'redis://***@db?***' or http://a/?***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("host=db password='a b' user=me", "host=db password=*** user=me"),
        ("refused\nDETAIL:  Failing row contains (secret).\nCONTEXT: x", None),
        ("1 error [type=int, input_value='secret', input_type=str]", None),
        ("what is it? a sentence: http://docs/page, no query", "same"),
    ],
)
def test_secrets_are_masked(text: str, expected: str | None) -> None:
    result = mask_secrets(text)
    if expected is None:
        assert "secret" not in result
        assert "***" in result
    else:
        assert result == (text if expected == "same" else expected)


@pytest.mark.parametrize("part", ["a", "a://", "password='", "input_value="])
def test_a_long_line_is_masked_at_once(part: str) -> None:
    began_s = process_time()
    mask_secrets(part * (100_000 // len(part)))
    assert process_time() - began_s < 5  # It took minutes.
