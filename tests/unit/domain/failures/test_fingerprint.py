"""Which failures are the same."""

from uuid import UUID

import pytest

from domain.failures.signature import (
    MAX_TITLE_CHARACTERS,
    FailedAttempt,
    innermost_frame,
    normalised,
    signature_of,
)

JOB = UUID(int=1)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("order 4711 not found", "order <n> not found"),
        ("took 5.25 s, then -3", "took <n> s, then <n>"),
        ("at 12:30:05", "at <n>"),
        ("utf8 and sha256 stay", "utf8 and sha256 stay"),
        ("run 01957000-0000-7000-8000-00000000000a is gone", "run <id> is gone"),
        ("object at 0x7f21aa", "object at <id>"),
        ("commit 3f65b1de99 is bad", "commit <id> is bad"),
        ("the face of deadbeef", "the face of deadbeef"),
        ("no file /var/data/in.csv here", "no file <path> here"),
        ("no file ../in/of.csv", "no file <path>"),
        (r"no file C:\data\in.csv", "no file <path>"),
        ("and/or stays", "and/or stays"),
        ("GET https://x.example/a?b=1 said no", "GET <url> said no"),
        ("no column 'color' in \"cars\" or `bikes`", "no column <text> in <text> or <text>"),
        ("can't open 'it', don't ask", "can't open <text>, don't ask"),
        ("two\n  lines\tin one", "two lines in one"),
        ("", ""),
    ],
)
def test_what_varies_is_replaced_by_a_word(message: str, expected: str) -> None:
    assert normalised(message) == expected


@pytest.mark.parametrize("sign", ["'", '"', "`", "/a", "9", "a1", "a:", "\\"])
def test_no_message_takes_long(sign: str) -> None:
    # Each pattern looks at a bounded part, so that this ends at all.
    assert len(normalised(sign * 1_000_000)) < 10_000


STACK = """Traceback (most recent call last):
  File "/usr/lib/python3.13/asyncio/runners.py", line 118, in run
    return self._loop.run_until_complete(task)
  File "/srv/env/lib/python3.13/site-packages/apphub_jobs/process/attempt.py", line 3, in go
    handler.execute(context)
  File "/srv/jobs/orders.py", line 12, in execute
    load(order)
  File "/srv/jobs/tables.py", line 99, in load
    json.loads(text)
  File "/usr/lib/python3.13/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
  File "<frozen codecs>", line 325, in decode
ValueError: Expecting value
"""


def test_the_frame_is_the_innermost_of_the_handlers_own_code() -> None:
    assert innermost_frame(STACK) == "load in tables.py"


@pytest.mark.parametrize(
    "sign", ["\n", " ", " \n", '  File "', '  File "a", line 1\n', "/lib/python3."]
)
def test_no_traceback_takes_long(sign: str) -> None:
    # A handler may tell one as large as a run's context. Were it looked at from each of its lines
    # to its end, this would take hours.
    assert innermost_frame(sign * 100_000) is None


@pytest.mark.parametrize("stack", ["", "ValueError: no traceback", "  File without"])
def test_where_there_is_no_traceback_there_is_no_frame(stack: str) -> None:
    assert innermost_frame(stack) is None


def failed(
    message: str = "order 1 not found",
    job: UUID = JOB,
    reason: str = "error",
    stack: str | None = STACK,
) -> FailedAttempt:
    return FailedAttempt(job, reason, message, stack)


@pytest.mark.parametrize(
    ("other", "is_alike"),
    [
        (failed("order 2 not found"), True),
        (failed(stack=STACK.replace("line 99", "line 100")), True),
        (failed(stack=STACK.replace("/srv/jobs", "/home/me")), True),
        (failed("customer 1 not found"), False),
        (failed(job=UUID(int=2)), False),
        (failed(reason="permanent_error"), False),
        (failed(stack=STACK.replace("in load", "in save")), False),
        (failed(stack=None), False),
    ],
)
def test_failures_are_alike_where_nothing_differs_but_what_varies(
    other: FailedAttempt, *, is_alike: bool
) -> None:
    same = signature_of(failed()).fingerprint == signature_of(other).fingerprint
    assert same == is_alike


def test_lost_workers_are_alike_whatever_they_were_called() -> None:
    one = failed("worker vm-1-ab stopped answering", reason="worker_lost", stack=None)
    two = failed("worker db-7-cd stopped answering", reason="worker_lost", stack=None)
    assert signature_of(one) == signature_of(two)
    assert signature_of(one).title == "worker lost"


def test_a_title_is_short_and_never_empty() -> None:
    assert len(signature_of(failed("x y " * 500)).title) == MAX_TITLE_CHARACTERS
    assert signature_of(failed("", reason="out_of_memory")).title == "out of memory"
