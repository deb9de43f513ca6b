"""What sealing costs appends, and how fast a log of a million events is sealed and verified.

    python benchmarks/seals.py append [ROUNDS]     launches with and without a sealer in the same
    process, in turns python benchmarks/seals.py verify [EVENTS]     seal a backlog, then verify it;
    time and memory

Both need a PostgreSQL of their own: they start the private one in a directory of their own and
remove it.
"""

import asyncio
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from domain.jobs.launching import Launch
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.seal.sealer import Sealer, Sealing
from eventlog.seal.verify import verify_seals
from runtime.tasks import Supervision
from tests.e2e.support import server_pids
from tests.support import databases
from tests.support.logs import TESTER, parts, query, registered
from tests.support.sample_logs.seals import APPEND, SealedLog, sealer

CALLERS = 64

ROUND_S = 3.0

CHUNK = 50_000


@contextmanager
def fresh_log() -> Iterator[SealedLog]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o711)  # The private server may run as another user.
        with (
            databases.server(directory) as server,
            databases.clone(server, databases.template(server, directory)) as url,
        ):
            yield SealedLog(url, directory)


async def append(log: SealedLog, rounds: int) -> None:
    """Launch from 64 callers for some seconds; every other round with a sealer.

    Its last seal counts as well.
    """
    how = Sealing(log.how.key_file, log.how.head_file, every_s=1.0)
    listener = Listener(Database(log.url))
    supervision = Supervision()
    await listener.start(supervision)
    rates: dict[bool, list[float]] = {True: [], False: []}
    costs: dict[bool, list[float]] = {True: [], False: []}
    async with parts(log.url) as part, sealer(log.url, how) as catching_up:
        slug = await registered(part.jobs)

        async def call(until: float) -> int:
            launched = 0
            while time.monotonic() < until:
                await part.jobs.launch(slug, Launch(), TESTER)
                launched += 1
            return launched

        for number in range(2 * rounds + 2):
            # Off, on, on, off: what drifts with the size of the log cancels out.
            sealed = number % 4 in {1, 2}
            while await catching_up.cycle():
                pass
            one = Sealer(part.pool, part.files.archive, listener.signal(), how)
            start, cpu = time.monotonic(), cpu_s(log)
            if sealed:
                await one.start(supervision)
            launched = sum(await asyncio.gather(*(call(start + ROUND_S) for _ in range(CALLERS))))
            if sealed:
                await one.stop()
            if number > 1:  # The first of each kind warms up.
                rates[sealed].append(launched / (time.monotonic() - start))
                costs[sealed].append((cpu_s(log) - cpu) / launched * 1e6)
    await listener.stop()
    seals, events = query(log.url, "SELECT count(*), max(size) FROM log_seals")[0]
    print(f"{events:,} events, {seals} seals")
    for name, values in (("launches/s", rates), ("µs of CPU a launch, service and server", costs)):
        without, with_ = (statistics.median(values[False]), statistics.median(values[True]))
        ratios = [one / other for one, other in zip(values[True], values[False], strict=True)]
        print(
            f"{name}: without {without:,.0f}, with {with_:,.0f};"
            f" median ratio {statistics.median(ratios):.3f}"
        )
        print(f"  ratios of neighbours: {' '.join(f'{ratio:.2f}' for ratio in sorted(ratios))}")


def cpu_s(log: SealedLog) -> float:
    """Return the CPU time that this process and all of the server's have used."""
    ticks = 0
    for pid in server_pids(log.directory):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            # Its own, and that of children that have ended.
            ticks += sum(map(int, fields[11:15]))
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


async def verify(log: SealedLog, events: int) -> None:
    """Seal and verify a log that is there at once."""
    with psycopg.connect(log.url, autocommit=True) as connection:
        for _ in range(events // CHUNK):
            connection.execute(APPEND, (CHUNK,))
        connection.execute("VACUUM ANALYZE jobs_events")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, own, cpu = time.monotonic(), time.process_time(), cpu_s(log)
    async with sealer(log.url, log.how) as one:
        while await one.cycle():
            pass
    took, own, cpu = (
        now - then
        for now, then in ((time.monotonic(), start), (time.process_time(), own), (cpu_s(log), cpu))
    )
    print(f"sealed {events:,} events in {took:.1f} s: {events / took:,.0f}/s")
    print(
        f"µs of CPU an event: {own / events * 1e6:.1f} in the sealer,"
        f" {(cpu - own) / events * 1e6:.1f} in the server"
    )
    start = time.monotonic()
    report = await verify_seals(Database(log.url), log.keys)
    took = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"verified {report.events:,} events in {took:.1f} s:"
        f" {report.events / took:,.0f}/s, clean: {report.clean}"
    )
    sizes = query(
        log.url, "SELECT pg_total_relation_size('log_seals'), pg_total_relation_size('jobs_events')"
    )[0]
    print(f"peak memory {before / 1024:.0f} MB before, {after / 1024:.0f} MB after")
    print(f"log_seals {sizes[0] / 1e6:.1f} MB, jobs_events {sizes[1] / 1e6:.1f} MB")


SIZES = {"append": 10, "verify": 1_000_000}


def main() -> None:
    what, *size = sys.argv[1:] or ["append"]
    run = {"append": append, "verify": verify}[what]
    with fresh_log() as log:
        asyncio.run(run(log, int(size[0]) if size else SIZES[what]))


if __name__ == "__main__":
    main()
