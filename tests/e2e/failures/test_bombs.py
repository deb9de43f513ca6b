"""Clients that try to exhaust the API: it keeps its memory, and answers others meanwhile."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from threading import Event
from time import monotonic, sleep

import httpx
import orjson
import pytest

from benchmarks.memory import resident_mb
from domain.clock import to_iso
from tests.e2e.support import register
from tests.support.processes import Process, eventually
from tests.support.sample_logs.long_histories import tick_often
from tests.support.slow import slow
from tests.support.wires import bombs as wires
from tests.support.wires.bombs import BOMBS, COSTLY
from tests.support.wires.raw_sockets import RawSocket

MAX_MB = 300

STRICT = "APPHUB_STRICT_BOMBS" in os.environ
"""Whether this machine does nothing else (make bombs): only then do milliseconds tell anything."""

MAX_ANSWER_S = 0.2 if STRICT else 2.0
"""How long three of four answers may take at most; an API whose loop is blocked takes longer."""

QUICK = {
    "a pattern of many letters",
    "empty pings",
    "endless heads",
    "large exports",
    "unknown fields",
}
"""One of each kind, which is what `make test` tries."""

ARM_S = 3.0
"""How long a bomb may take to be armed; longer ones are looked at while they arm."""

MAX_ORDINARY_S = 0.3 if STRICT else 2.0
"""How long reads that cost one look each may take beside those that cost much."""

QUESTIONS = 20

ORDINARY = (
    "/health",
    "/jobs/repository-build",
    "/jobs/repository-build/runs",
    "/job-runs?job=repository-build&status=pending",
    "/schedules?limit=1",
    "/failures",
)

TICKS = 100_000

GROWN_MB = 60
"""By how much a process may grow while many documents of a megabyte pass through it."""

PATIENCE_S = 90.0
"""How long any answer is waited for: the one after a bomb may be 36 MB, on a busy machine."""


@contextmanager
def bomb(name: str, url: str) -> Iterator["subprocess.Popen[str]"]:
    """Let a bomb off, in a process of its own."""
    command = [sys.executable, "-m", "tests.support.wires.bombs", name, url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(90)


@pytest.mark.parametrize("name", [name if name in QUICK else slow(name) for name in sorted(BOMBS)])
def test_the_api_survives(api: Process, name: str) -> None:
    url = api.url()
    answers: list[float] = []
    with bomb(name, url), httpx.Client(timeout=PATIENCE_S, trust_env=False) as client:
        until = monotonic() + ARM_S
        while monotonic() < until or len(answers) < QUESTIONS:
            began = monotonic()
            client.get(f"{url}/health").raise_for_status()
            answers.append(monotonic() - began)
            assert resident_mb(api.popen.pid) < MAX_MB
            sleep(0.05)
    answers.sort()
    assert answers[len(answers) * 3 // 4] < MAX_ANSWER_S, answers
    assert httpx.get(f"{url}/jobs", timeout=PATIENCE_S).status_code == 200
    assert [line for line in api.errors if "Traceback" in line] == []


def test_slow_senders_keep_nobody_from_sending_a_body(api: Process) -> None:
    """Each has half a minute for a megabyte, and may take all of it."""
    url = api.url()
    body = {"slug": "large", "metadata": "x" * 200_000}
    with (
        bomb("slow bodies", url) as slow,
        httpx.Client(timeout=PATIENCE_S, trust_env=False) as client,
    ):
        assert slow.stdout is not None
        assert slow.stdout.readline().startswith("armed")
        for _ in range(QUESTIONS):
            assert client.post(f"{url}/jobs", json=body).status_code == 400


def ordinary_reads(client: httpx.Client, api: Process) -> float:
    """Return how long all but the slowest quarter of the reads take at most; none is refused."""
    answers: list[float] = []
    until = monotonic() + ARM_S
    while monotonic() < until or len(answers) < QUESTIONS * len(ORDINARY):
        for path in ORDINARY:
            began = monotonic()
            assert client.get(path).status_code == 200
            answers.append(monotonic() - began)
        assert resident_mb(api.popen.pid) < MAX_MB
        sleep(0.05)
    answers.sort()
    return answers[len(answers) * 3 // 4]


@pytest.mark.parametrize("name", [name if name in QUICK else slow(name) for name in sorted(COSTLY)])
def test_ordinary_reads_go_on_beside_costly_ones(
    api: Process, client: httpx.Client, name: str
) -> None:
    with bomb(name, api.url()) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("armed")
        beside_s = ordinary_reads(client, api)
    assert beside_s < MAX_ORDINARY_S
    assert [line for line in api.errors if "Traceback" in line] == []


@pytest.mark.slow
@pytest.mark.spoils_its_log
def test_a_schedule_with_very_many_ticks_keeps_nobody_waiting(
    api: Process, client: httpx.Client, database_url: str
) -> None:
    register(client, "job", "test.noop")
    body = {"id": "old", "job": "job", "everyMs": 1_000}
    created = client.post("/schedules", json=body).raise_for_status().json()["data"]
    client.post("/schedules/old/pause").raise_for_status()
    tick_often(database_url, "old", TICKS)
    began = datetime.fromisoformat(created["createdAt"])
    span = {"from": to_iso(began), "to": to_iso(began)}
    answers = [
        f"GET /schedules?asOf={TICKS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
        wires.request("POST /schedules/old/backfill", orjson.dumps(span)),
    ]
    answered: Counter[int] = Counter()
    over = Event()

    def ask(request: bytes) -> None:
        while not over.is_set():
            socket = RawSocket(api.url(), 2 * PATIENCE_S)
            socket.send(request)
            answered[socket.answer().status] += 1
            socket.close()

    with ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(ask, one) for one in answers * 4]
        try:
            beside_s = ordinary_reads(client, api)
        finally:
            over.set()
        for one in asking:
            one.result()
    assert beside_s < MAX_ORDINARY_S
    # Whoever asks beside seven others may be told that it takes too long here.
    assert answered.keys() <= {200, 202, 400, 409, 429}, answered
    past = client.get("/schedules", params={"asOf": TICKS})
    if past.status_code != 200:  # On a machine as busy as this one.
        assert past.json()["code"] == "query_too_costly"
        assert [issue["path"] for issue in past.json()["issues"]] == ["/asOf"]


@pytest.mark.slow
def test_large_schedules_leave_no_memory_behind(
    api: Process, worker: Process, client: httpx.Client
) -> None:
    pids = (api.popen.pid, worker.popen.pid)
    register(client, "large", "test.noop")
    body = {"job": "large", "everyMs": 1_000, "overlap": "allow_all"}
    parameters = {"text": "x" * 900_000}
    for number in range(4):
        schedule = {"id": f"large-{number}", "parameters": parameters, **body}
        client.post("/schedules", json=schedule).raise_for_status()

    def succeeded() -> int:
        counts = client.get("/job-runs/counts").raise_for_status().json()["data"]
        return int(counts["succeeded"])

    def held_mb() -> float:
        return max(resident_mb(pid) for pid in pids)

    eventually(lambda: succeeded() > 20, 60, "twenty runs", longest_pause_s=1)
    before = [resident_mb(pid) for pid in pids]
    eventually(lambda: succeeded() > 120, 100, "a hundred more", longest_pause_s=1)
    assert held_mb() < MAX_MB
    for number in range(4):
        client.delete(f"/schedules/large-{number}").raise_for_status()

    def has_shrunk() -> bool:
        return all(
            resident_mb(pid) < held + GROWN_MB for pid, held in zip(pids, before, strict=True)
        )

    eventually(has_shrunk, 90, f"at most what was held before, {before} MB")
