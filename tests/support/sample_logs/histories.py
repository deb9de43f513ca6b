"""Random histories: runs through every transition, by clients', workers', watchers' commands."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from uuid import UUID

from domain.commands.executions import Claim
from domain.errors import ConflictError, InvalidInputError, VersionConflictError, WorkerLostError
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from domain.ports import Origin
from tests.support.logs import TESTER, Parts, registered

SLUGS = ("Alpha", "beta", "beta-2", "Gamma_3")

WORDS = ("red", "green", "blue", "Deep Blue", "infra-red")
"""Names that jobs get by turns."""

ANOTHER = Origin(actor="another")

HOUR_MS = 3_600_000


class Driver:
    """A client, a worker and a watcher in one, who does at random what may be done."""

    def __init__(self, part: Parts, random: Random, name: str) -> None:
        self._part = part
        self._random = random
        self._name = name
        self._worker_id = ""
        self._lives = 0
        self._claims: list[Claim] = []
        self._run_ids: list[UUID] = []

    async def drive(self, steps: int) -> None:
        """Do this many things."""
        await self._new_worker()
        acts: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (30, self._launch),
            (25, self._claim),
            (45, self._go_on),
            (8, self._cancel),
            (4, self._expire_overdue),
            (2, self._lose_worker),
            (3, self._revise),
        ]
        weights, choices = [weight for weight, _ in acts], [act for _, act in acts]
        for _ in range(steps):
            [act] = self._random.choices(choices, weights)
            # Drivers get in each other's way, which belongs to the game.
            with suppress(ConflictError, InvalidInputError, VersionConflictError):
                await act()

    async def _new_worker(self) -> None:
        self._lives += 1
        self._claims = []
        worker_id = f"{self._name}-{self._lives}"
        self._worker_id = await self._part.worker(worker_id, labels={"zone": "eu"})

    async def _launch(self) -> None:
        pick = self._random.random()
        launch = Launch(
            parameters={"number": self._random.randrange(100)},
            max_attempts=self._random.randint(1, 3),
            priority=self._random.randint(-1, 1),
            delay_ms=HOUR_MS if pick < 0.1 else None,
            start_deadline_ms=1 if 0.1 < pick < 0.25 else None,
            # Ids derived from keys are in no order of time.
            idempotency_key=str(self._random.random()) if 0.25 < pick < 0.5 else None,
        )
        slug = self._random.choice(SLUGS)
        by = self._random.choice((TESTER, ANOTHER))
        launched = await self._part.jobs.launch(slug, launch, by)
        self._run_ids.append(launched.run_id)

    async def _claim(self) -> None:
        with suppress(WorkerLostError):
            self._claims += await self._part.executions.claim(
                self._worker_id, self._random.randint(1, 3)
            )

    async def _go_on(self) -> None:
        """Report on one of the claims, or end it in one of the many ways."""
        if not self._claims:
            return
        claim = self._claims[self._random.randrange(len(self._claims))]
        run_id, holder, report = (
            claim.run.id,
            claim.holder,
            Report(metrics={"n": self._random.randrange(9)}),
        )
        executions = self._part.executions
        if self._random.random() < 0.3:
            await executions.progress(run_id, holder, report)
            return
        self._claims.remove(claim)
        failure = AttemptFailure(
            "by chance", permanent=self._random.random() < 0.2, retry_after_ms=0
        )
        ends: list[Callable[[], Awaitable[None]]] = [
            lambda: executions.succeed(run_id, holder, {"fine": True}, report),
            lambda: executions.succeed(run_id, holder, None, report),
            lambda: executions.fail(run_id, holder, failure, report),
            lambda: executions.time_out(run_id, holder, report),
            lambda: executions.expire(run_id, holder, "the handler says so", report),
            lambda: executions.hand_back(run_id, holder),
            lambda: executions.confirm_cancel(
                run_id, holder, "the handler says so", report, by_handler=True
            ),
        ]
        await self._random.choice(ends)()

    async def _cancel(self) -> None:
        if self._run_ids:
            await self._part.jobs.cancel(
                self._random.choice(self._run_ids[-10:]), "by chance", TESTER
            )

    async def _expire_overdue(self) -> None:
        await self._part.sweeps.expire_overdue()

    async def _lose_worker(self) -> None:
        await self._part.sweeps.recover([(self._worker_id, 0)], self._name)
        await self._new_worker()

    async def _revise(self) -> None:
        choices: list[JsonObject] = [
            {"name": self._random.choice(WORDS)},
            {"worker_labels": {"zone": "eu"}},
            {"worker_labels": {}},
        ]
        changes = self._random.choice(choices)
        slug = self._random.choice(SLUGS)
        await self._part.jobs.revise_job(slug, changes, None, TESTER)


async def make_history(part: Parts, random: Random, steps: int, drivers: int = 4) -> None:
    """Let some drivers make a history together."""
    for slug in SLUGS:
        await registered(part.jobs, slug)
    async with asyncio.TaskGroup() as group:
        for number in range(drivers):
            driver = Driver(part, Random(random.random()), f"driver-{number}")
            group.create_task(driver.drive(steps // drivers))
