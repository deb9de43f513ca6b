"""The plain `eventsourcing` library with its own recorder: the same aggregates, no rows."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from random import SystemRandom
from time import perf_counter
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import Mapper, Transcoder
from psycopg.conninfo import conninfo_to_dict

from benchmarks.harness.results import Bench
from domain.identifiers import uuid7
from domain.jobs.definition import JobDefinition, JobSpec
from domain.jobs.launching import Launch, new_run
from domain.jobs.run import JobRun
from eventlog.encoding import PlainMapper, PlainTranscoder
from tests.support import databases

POOL_SIZE = 16


class Plain(Application[UUID]):
    """An application as the library's documentation shows it; only its codec is ours."""

    def construct_transcoder(self) -> Transcoder:
        """Return our codec: the library's does not know all our values."""
        return PlainTranscoder()

    def construct_mapper(self) -> Mapper[UUID]:
        """Return the mapper to it."""
        return PlainMapper(transcoder=self.construct_transcoder())


@contextmanager
def plain(bench: Bench) -> Iterator[Plain]:
    """Give the application a database of its own."""
    with databases.clone(bench.server, None) as url:
        given = conninfo_to_dict(url)
        application = Plain(
            env={
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "POSTGRES_DBNAME": str(given["dbname"]),
                "POSTGRES_HOST": str(given["host"]),
                "POSTGRES_PORT": str(given.get("port") or ""),
                "POSTGRES_USER": str(given["user"]),
                "POSTGRES_PASSWORD": str(given.get("password") or ""),
                "POSTGRES_POOL_SIZE": str(POOL_SIZE),
            }
        )
        try:
            yield application
        finally:
            application.close()


def runs() -> Iterator[JobRun]:
    """Yield new runs without end."""
    now = datetime.now(UTC)
    definition = JobDefinition.register(
        "noop", JobSpec(name="noop", type="batch", entry_point="bench.noop"), 1, now
    )
    random = SystemRandom()
    while True:
        now_us = int(datetime.now(UTC).timestamp() * 1_000_000)
        run_id = uuid7(now_us, random.randbytes(8))
        yield new_run(definition, Launch(parameters={"number": 1}), run_id, "bench", now)


def library_rate(bench: Bench, callers: int) -> float:
    """Save by this many threads; return the saves a second."""
    with plain(bench) as application, ThreadPoolExecutor(callers) as threads:

        def save(until: float) -> int:
            saved = 0
            for run in runs():
                if perf_counter() >= until:
                    return saved
                application.save(run)
                saved += 1
            return saved

        began = perf_counter()
        until = began + bench.effort.seconds
        return sum(threads.map(save, [until] * callers)) / (perf_counter() - began)
