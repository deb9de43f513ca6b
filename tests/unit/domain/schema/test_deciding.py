"""Long checks keep nobody waiting on the event loop; short ones are made at once."""

import asyncio
import gc
import threading
from time import thread_time
from typing import Any

import pytest

from domain.errors import Issue, OverloadedError
from domain.json_values import Json
from domain.schema import validation
from domain.schema.validation import offload_if_long, schema_issues, violations

MAX_HELD_S = 0.05
"""Made at once, each of these checks would hold it for a tenth of a second and more."""

LETTERS = "".join(chr(number) for number in range(0x4E00, 0x4E00 + 1_000))


async def longest_hold(until: "asyncio.Future[Any]") -> list[float]:
    """Return how long each turn of the loop worked while something was awaited, sorted.

    In processor time of its thread: other tests may keep the machine busy.
    """
    turns: list[float] = []
    # A search for garbage takes as long as thousands of other tests have left objects behind.
    gc.disable()
    try:
        while not until.done():
            began = thread_time()
            # Not at once: a loop that never rests takes the time of the thread that checks.
            await asyncio.sleep(0.001)
            turns.append(thread_time() - began)
    finally:
        gc.enable()
    return sorted(turns)


def doubling(last: Json) -> dict[str, Any]:
    chain = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    return {"$ref": "#/$defs/d0", "$defs": {**chain, "d30": last}}


COSTLY: dict[str, tuple[dict[str, Any], Json]] = {
    "a schema without end": (doubling({}), {}),
    "violations without end": (doubling({"type": "string"}), {}),
    "a long list": ({"items": {"type": "number"}}, list(range(80_000))),
    "a pattern without end": ({"pattern": "^(a|a)*$"}, "a" * 60 + "!"),
    "many patterns": ({"items": {"pattern": "^(a|a)*$"}}, ["a" * 6 + "!"] * 9_000),
    "a long text": ({"pattern": r"a*\d"}, "a" * 1_000_000),
    "a set of many letters": ({"pattern": rf"[{LETTERS}a]*\d"}, "a" * 1_000_000),
    "a pattern to read": ({"pattern": "(?:a|b)" * 500}, ""),
}


@pytest.mark.parametrize("name", sorted(COSTLY))
async def test_a_long_check_holds_the_loop_for_a_moment_only(name: str) -> None:
    schema, value = COSTLY[name]
    deciding_it = asyncio.create_task(offload_if_long(lambda: violations(schema, value, "/a")))
    turns = await longest_hold(deciding_it)
    assert await deciding_it == violations(schema, value, "/a")
    assert turns[-1] < MAX_HELD_S, turns[-5:]


async def test_a_large_schema_is_checked_aside() -> None:
    members = {f"p{n}": {"type": "string", "minLength": 1} for n in range(3_000)}
    schema: dict[str, Any] = {"properties": members}
    checking = asyncio.create_task(offload_if_long(lambda: schema_issues(schema, "/s")))
    turns = await longest_hold(checking)
    assert await checking == schema_issues(schema, "/s")
    assert turns[-1] < MAX_HELD_S, turns[-5:]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object"}, {"a": 1}),
        ({"type": "string"}, 1),
        ({"properties": {"a": {"pattern": "^[a-z-]{1,63}$"}}}, {"a": "some-name"}),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, 1),
    ],
)
async def test_ordinary_checks_are_made_at_once(schema: dict[str, Any], value: Json) -> None:
    threads: list[threading.Thread] = []

    def decide() -> list[Issue]:
        issues = violations(schema, value, "")
        threads.append(threading.current_thread())
        return issues

    assert await offload_if_long(decide) == violations(schema, value, "")
    assert threads == [threading.current_thread()]


async def test_only_so_many_long_checks_wait() -> None:
    schema = doubling({})
    checks = [
        asyncio.create_task(offload_if_long(lambda: violations(schema, {}, "")))
        for _ in range(validation.MAX_WAITING + 1)
    ]
    done, waiting = await asyncio.wait(checks, return_when="FIRST_COMPLETED")
    (refused,) = done
    assert isinstance(refused.exception(), OverloadedError)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert await offload_if_long(lambda: violations({}, {}, "")) == []
