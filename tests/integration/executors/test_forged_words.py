"""A handler cannot say what only its worker or its supervisor may, nor speak for others."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.integration.executors.submitting import Submitting, ended
from tests.support.handlers.tasks import printed, task_of
from tests.support.packages import package_of
from worker.executors.local.executor import ProcessExecutor
from worker.executors.port import Outcome


def message_of(kind: str, **more: Any) -> str:
    """Return a line as a process says it."""
    return json.dumps({"type": kind, **more}) + "\n"


RESULT: dict[str, Any] = {
    "status": "succeeded",
    "result": "forged",
    "error_message": None,
    "logs_url": None,
    "metrics": {},
    "context": {},
    "effects": [],
}
DONE = {
    "fit": True,
    "clear": True,
    "leftFiles": False,
    "cpuSeconds": 0.1,
    "cpuTotal": 0.1,
    "peakMemoryMb": 1.0,
}

GARBAGE = [
    "garbage\n",
    "garbage without an end",
    "\x00\xff\xfe\n",
    "[]\n",
    "{}\n",
    "[" * 100_000 + "\n",
    '{"type": []}\n',
    '{"type": {}, "id": []}\n',
    message_of("update", id=[]),
    message_of("update", id=1, metrics={"a": 1}, context={}, logsUrl=None),
]

FORGED = [
    *(message_of(kind) for kind in ("stopped", "lease", "lost", "canceled", "timeout", "blocking")),
    message_of("out_of_memory", message="no"),
    message_of("result", **RESULT),
    message_of("result", id="0123456789abcdef", **RESULT) + message_of("done", **DONE),
]

FORGED_AS_ITSELF = [
    *(
        message_of(kind, id="OWN-ID")
        for kind in ("stopped", "lease", "lost", "canceled", "timeout", "nonsense")
    ),
    message_of("error", id="OWN-ID"),
    message_of("error", id="OWN-ID", message=1, stack=[], permanent=0, retryAfterMs="1"),
    message_of("result", id="OWN-ID", status="succeeded", metrics=[1]),
    message_of("update", id="OWN-ID", metrics=[1], context={}, logsUrl=None),
]


class Apart:
    """Attempts in a process to each."""

    def __init__(self, where: ProcessExecutor, directory: Path) -> None:
        self._where = where
        self._directory = directory

    async def run(self, handler: str, **parameters: Any) -> Outcome:
        """Run an attempt to its end."""
        task = task_of(handler, self._directory / "log", **parameters)
        attempt = await self._where.submit(task, lambda _: None, monotonic() + 60)
        return await asyncio.wait_for(attempt.outcome(), 90)


@pytest.fixture
async def apart(tmp_path: Path) -> AsyncIterator[Apart]:
    """Give an executor with one slot."""
    where = ProcessExecutor(package_of("tests.support.handlers"), 1)
    yield Apart(where, tmp_path)
    await where.aclose()


@pytest.mark.slow
async def test_whatever_is_forged_ends_its_own_attempt(apart: Apart) -> None:
    done_first = message_of("done", id="OWN-ID", **DONE)
    for words in (*GARBAGE, *FORGED, *FORGED_AS_ITSELF, done_first):
        outcome = await apart.run("forge", words=words)
        assert outcome.kind == "invalid", (words, outcome)
        assert outcome.message["message"], words
        again = await apart.run("noop")
        assert again.kind == "result", words


async def test_a_line_without_an_end_is_cut_off(apart: Apart) -> None:
    outcome = await apart.run("forge", words="x" * 1_000, times=9_000, forMs=30_000)
    assert outcome.kind == "invalid"
    assert "more than 8388608 bytes" in outcome.message["message"]


async def test_an_attempt_alone_in_a_shared_process_pays_for_what_it_forges(
    shared: Submitting,
) -> None:
    for words in (*GARBAGE, *FORGED[:-1], *FORGED_AS_ITSELF):
        # It goes on until it is asked to stop, unless only its end can end the line.
        for_ms = 60_000 if words.endswith("\n") else 0
        outcome = await shared.run("forge", words=words, forMs=for_ms)
        assert outcome.kind == "invalid", (words, outcome)
    assert (await shared.run("noop")).kind == "result"


@pytest.mark.parametrize("as_itself", [False, True])
async def test_nobody_beside_it_pays_for_what_an_attempt_forges(
    shared: Submitting, *, as_itself: bool
) -> None:
    beside = [await shared.submit("sleep", forMs=2_000) for _ in range(3)]
    await printed(shared.log(2))
    forged = FORGED_AS_ITSELF if as_itself else [*GARBAGE, *FORGED]
    forging = [await shared.submit("forge", words=words) for words in forged]
    for words, attempt in zip(forged, forging, strict=True):
        outcome = await ended(attempt)
        # Whose a line without an id was, nobody knows where there are several.
        assert outcome.kind in ({"invalid"} if as_itself else {"invalid", "result"}), (
            words,
            outcome,
        )
    outcomes = [await ended(one) for one in beside]
    assert [outcome.kind for outcome in outcomes] == ["result"] * 3
    assert len({outcome.message["result"] for outcome in outcomes}) == 1


async def test_a_canceled_attempt_ends_though_another_named_who_blocks(shared: Submitting) -> None:
    words = (
        message_of("blocking") + message_of("blocking", id=[], stack=1) + message_of("unblocked")
    )
    beside = await shared.submit("sleep", forMs=60_000)
    await printed(shared.log(0))
    forging = await shared.submit("forge", words=words)
    assert (await ended(forging)).kind == "result"
    beside.cancel(30.0)
    assert (await ended(beside)).kind == "canceled"
