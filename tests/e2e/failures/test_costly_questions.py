"""Questions that cost much: reads of others never wait behind them; they end with their client."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psycopg

from eventlog.database.costly_reads import MAX_CONCURRENT, MAX_WAITING
from projections.runs.over_time import SOME_COUNTS
from tests.e2e.support import launch, register
from tests.support.logs import query
from tests.support.processes import Process, eventually
from tests.support.wires.raw_sockets import RawSocket

READERS = 24

PAST = "/job-runs?status=running&asOf=1"

_HELD_UP = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND query LIKE '%%run_checkpoints%%'
"""


@contextmanager
def past_out_of_reach(url: str) -> Iterator[None]:
    """Hold up everybody who asks for the past, and nobody else."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE run_checkpoints")
        yield


def held_up(url: str) -> int:
    """Return how many sessions wait for the past; a watcher of the service's may be one."""
    [(count,)] = query(url, _HELD_UP)
    assert isinstance(count, int)
    return count


def ordinary(client: httpx.Client, run_id: str) -> list[int]:
    """Read what needs one look each."""
    paths = (
        "/jobs",
        "/jobs/job",
        "/jobs/job/runs",
        "/job-runs",
        "/job-runs?status=pending&job=job&search=job",
        "/job-runs/waiting",
        f"/job-runs/{run_id}",
        f"/job-runs/{run_id}/explain",
        f"/job-runs/{run_id}/events",
        "/schedules",
        "/failures",
        "/events",
        "/health",
    )
    return [client.get(path).status_code for path in paths]


def test_ordinary_reads_do_not_wait_behind_costly_ones_which_end_with_their_clients(
    api: Process, client: httpx.Client, database_url: str
) -> None:
    register(client, "job", "test.noop")
    run_id = launch(client, "job")
    readers = [RawSocket(api.url()) for _ in range(READERS)]
    with past_out_of_reach(database_url):
        for reader in readers:
            reader.head(f"GET {PAST}")
        eventually(lambda: held_up(database_url) >= MAX_CONCURRENT, what="costly questions")
        for _ in range(5):
            answers = ordinary(client, run_id)
            assert answers == [200] * len(answers)
            assert held_up(database_url) <= MAX_CONCURRENT + 1
        for reader in readers:
            reader.close()
        eventually(lambda: held_up(database_url) <= 1, what="the end of what they asked")
        # Their turns are free, too: this one needs a turn, and not the past.
        assert client.get("/job-runs?parameters.a=1").status_code == 200
    assert client.get(PAST).status_code == 200
    assert [line for line in api.errors if "Traceback" in line] == []


COUNTS = "/job-runs/statistics?bucketMs=3600000"

_MANY_COUNTS = f"""
    INSERT INTO run_statistics
    SELECT 'hour', date_trunc('hour', now()) - interval '1 hour', gen_random_uuid(),
        1, 1, 0, 0, 0, 0, 0, '{{}}', '{{}}'
    FROM generate_series(1, {SOME_COUNTS})
"""

_COUNTS_HELD_UP = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND query LIKE '%%run_statistics_progress%%'
"""


def test_ordinary_reads_do_not_wait_behind_counts_of_many_jobs(
    api: Process, client: httpx.Client, database_url: str
) -> None:
    def held_up_counts() -> int:
        [(count,)] = query(database_url, _COUNTS_HELD_UP)
        return int(count)

    register(client, "job", "test.noop")
    run_id = launch(client, "job")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_MANY_COUNTS.encode())
    readers = [RawSocket(api.url()) for _ in range(READERS)]
    with psycopg.connect(database_url) as connection:
        connection.execute("LOCK TABLE run_statistics_progress")
        for reader in readers:
            reader.head(f"GET {COUNTS}")
        eventually(lambda: held_up_counts() >= MAX_CONCURRENT, what="counts under way")
        for _ in range(5):
            answers = ordinary(client, run_id)
            assert answers == [200] * len(answers)
            assert held_up_counts() <= MAX_CONCURRENT + 1  # The service counts, too.
        for reader in readers:
            reader.close()
    assert client.get(COUNTS).status_code == 200


def test_who_comes_when_many_costly_questions_wait_is_refused(
    client: httpx.Client, database_url: str
) -> None:
    refused = 6
    asking = MAX_CONCURRENT + MAX_WAITING + refused
    answers: list[httpx.Response] = []

    def ask(_: int) -> None:
        answers.append(client.get(PAST))

    # The past is in reach again before the threads are waited for.
    with ThreadPoolExecutor(asking) as threads, past_out_of_reach(database_url):
        threads.map(ask, range(asking))
        eventually(lambda: len(answers) == refused, what="refusals")
    first = answers[:refused]
    assert {answer.status_code for answer in first} == {429}
    assert {answer.json()["code"] for answer in first} == {"too_many_requests"}
    assert "costly" in first[0].json()["error"]
    assert {answer.headers["Retry-After"] for answer in first} == {"1"}
    assert len(answers) == asking
    assert {answer.status_code for answer in answers[refused:]} == {200}


def test_a_page_far_behind_many_conditions_is_refused_by_name(client: httpx.Client) -> None:
    conditions = {f"parameters.k{number}!": "1" for number in range(48)}
    answer = client.get("/job-runs", params={**conditions, "offset": "100000"})
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "query_too_costly"
    assert [issue["path"] for issue in body["issues"]] == ["/offset"]
    [sentence] = body["error"]["fieldErrors"]["offset"]
    assert sentence.startswith("must be at most 4166 with 48 conditions on parameters;")
    assert client.get("/job-runs", params={**conditions, "offset": "4166"}).is_success
