"""What is counted once the faults are over: each promise held against the log and the proofs."""

import asyncio
import fcntl
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from eventlog.database.connection import Database
from eventlog.history.reader import Reader
from eventlog.keys import LogFiles
from tests.chaos.clients import Follower, Promises
from tests.chaos.cluster import Cluster
from tests.support.stream.expected import ComparableMessage, messages_of_log

RUNS = "SELECT id::text, status, slug, attempt FROM job_runs"

BY_EXECUTOR = """
    SELECT CASE
        WHEN job.isolation = 'shared' THEN 'in a shared process'
        WHEN worker.labels ->> 'runs' = 'on-ray' THEN 'on Ray'
        ELSE 'in a process each' END AS place, count(*) AS attempts
    FROM jobs_events AS event
    JOIN job_runs AS run ON run.id = event.originator_id
    JOIN job_definitions AS job ON job.id = run.job_definition_id
    JOIN workers AS worker
        ON worker.id = convert_from(event.state, 'UTF8')::jsonb ->> 'worker_id'
    WHERE event.topic = 'job_run.started' GROUP BY 1
"""

NOT_BEGUN = "apphub-jobs: cannot reach the database"

FINAL = {"succeeded", "failed", "canceled", "expired"}

CHECKS = {
    "verify": ["verify"],
    "verify --histories": ["verify", "--histories", "--acked", "{acked}"],
    "seal verify": ["seal", "verify"],
}


@dataclass
class Tally:
    """What went wrong, by kind; `notes` are worth telling and not wrong."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, problems: list[str]) -> None:
        """Count what was found; nothing is counted, too."""
        self.wrong.setdefault(kind, []).extend(problems)

    @property
    def is_clean(self) -> bool:
        """Whether nothing went wrong."""
        return not any(self.wrong.values())

    def show(self, most: int | None = None) -> str:
        """Return it for people, with so many problems of each kind; what went wrong comes last."""
        lines = [*self.notes]
        for kind, problems in sorted(self.wrong.items(), key=lambda one: len(one[1])):
            lines.append(f"{kind:20} {len(problems)}")
            lines += [f"    {text}" for text in problems[:most]]
        return "\n".join(lines)


def count_runs(tally: Tally, cluster: Cluster, promises: Promises) -> None:
    """Lost, doubled and hung runs."""
    with psycopg.connect(cluster.url, row_factory=dict_row) as connection:
        runs = {row["id"]: row for row in connection.execute(RUNS)}
        by_executor = connection.execute(BY_EXECUTOR).fetchall()
    acked = promises.acked.values()
    tally.add("lost", [run_id for run_id in acked if run_id not in runs])
    unasked = set(runs) - set(acked)
    tally.add("doubled", [*promises.doubled, *_more_than(unasked, len(promises.acked))])
    hung = [f"{row['id']} {row['status']}" for row in runs.values() if row["status"] not in FINAL]
    tally.add("hung", hung)
    tally.add("refused", promises.refused)
    states = Counter(row["status"] for row in runs.values())
    attempts = sum(row["attempt"] for row in runs.values())
    tally.notes.append(f"{len(runs)} runs, {attempts} attempts, {dict(states)}")
    begun = ", ".join(f"{row['attempts']} {row['place']}" for row in by_executor)
    tally.notes.append(f"begun: {begun}")
    tally.notes.append(f"slowest launch until answered {promises.slowest_s:.1f} s")


def _more_than(unasked: set[str], acked: int) -> list[str]:
    """Return runs that nobody was told of, beyond the few that were asked for at the very end."""
    few = 16
    return sorted(unasked) if len(unasked) > few + acked else []


def count_proofs(tally: Tally, proofs: Path) -> None:
    """What the handlers wrote down, and what still holds their locks."""
    notes = proofs / "notes"
    lines = notes.read_text().splitlines() if notes.exists() else []
    tally.add("overlapped", [line for line in lines if " overlap " in line])
    tally.add("outlived", [str(path) for path in proofs.glob("*/*") if _is_held(path)])


def _is_held(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def count_ends(tally: Tally, cluster: Cluster) -> None:
    """Processes that ended by themselves. One that cannot begin may say so and be started again."""
    troubles = [text for member in cluster.members for text in member.troubles]
    late = [text for text in troubles if NOT_BEGUN in text]
    tally.add("ended by itself", [text for text in troubles if text not in late])
    tally.notes.append(f"{len(late)} starts while the database was away ended with a message")


async def count_stream(tally: Tally, cluster: Cluster, followers: list[Follower]) -> None:
    """What the followers missed, or were told twice or wrongly."""
    async with Database(cluster.url).pool(2) as pool:
        whole = await messages_of_log(Reader(pool, LogFiles()))
    for follower in followers:
        tally.add("stream gaps", _differences(follower, whole))


def _differences(follower: Follower, whole: list[ComparableMessage]) -> list[str]:
    if follower.refused is not None:
        return [f"{follower.name}: refused: {follower.refused}"]
    if follower.received == whole:
        return []
    for index, (received, due) in enumerate(zip(follower.received, whole, strict=False)):
        if received != due:
            return [f"{follower.name}: message {index}: told {received}, due {due}"]
    return [f"{follower.name}: told {len(follower.received)} of {len(whole)} messages"]


async def check(tally: Tally, cluster: Cluster, acked: Path) -> None:
    """Run the service's own checks, as an operator would."""
    where = ["--data-dir", str(cluster.directory / "data"), "--database-url", cluster.url]
    for name, command in CHECKS.items():
        arguments = [part.format(acked=acked) for part in command]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cli",
            *arguments,
            *where,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        tally.add(name, [] if process.returncode == 0 else output.decode().splitlines()[-5:])
