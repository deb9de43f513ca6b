"""The commands of workers and of the clock: claim, report, end, recover. Every one passes the run's fence."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.catalog.effects import Effect, effect_issues
from domain.catalog.units import inputs_of, with_catalog
from domain.commands.jobs import Jobs
from domain.errors import DomainError, Issue, WorkerBuriedError
from domain.jobs.definition import JobDefinition, Spec
from domain.jobs.run import JobRun
from domain.jobs.run_values import Failure, Holder, Report
from domain.json_values import Json, JsonObject, canonical
from domain.ports import Claimant, Locked, Origin
from domain.schema.validation import violations

MAX_RESULT_BYTES = 1_048_576
"""A result is read with every list of runs; what is larger belongs into a store, and its address
into the result."""

SWEEP_LIMIT = 500
"""How many runs one recovery or expiry moves at a time, so that no append holds the lock for
long."""


@dataclass(frozen=True)
class Claim:
    """A run that a worker now holds, with all that its execution needs.

    Attributes:
        inputs: what the service looked up for the handler; `{}` for most jobs.
    """

    run: JobRun
    holder: Holder
    spec: Spec
    inputs: JsonObject


class Executions:
    """What workers may do to runs."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._held: dict[UUID, JobRun] = {}
        self._pinned: dict[tuple[UUID, int], Spec] = {}

    async def claim(self, worker_id: str, slots: int) -> list[Claim]:
        """Claim up to `slots` due runs, the most urgent first; each `Started` is in the log when this returns.

        Nothing is left to be looked up afterwards: a look-up that failed would leave claimed runs
        to nobody.

        Raises:
            WorkerBuriedError: the worker has been declared dead.
        """
        claims: list[Claim] = []

        async def decide(locked: Locked) -> list[Aggregate]:
            run_ids = await locked.claimable_run_ids()
            if run_ids is None:
                raise WorkerBuriedError(worker_id)
            due = await self._jobs.load(JobRun, run_ids, locked)
            runs = list(due.values())
            claims[:] = [
                await self._claim(run, worker_id, locked) for run in runs if not run.erased
            ]
            for run in runs:
                if run.erased:
                    self._give_up(run, worker_id, locked.now)
            return await with_catalog(self._jobs, runs, (), locked)

        await self._jobs.save_under_lock(decide, _by(worker_id), Claimant(worker_id, slots))
        self._held = {
            run_id: run
            for run_id, run in self._held.items()
            if run.holder and run.holder.worker_id == worker_id
        }
        self._held |= {claim.run.id: copy(claim.run) for claim in claims}
        return claims

    async def progress(self, run_id: UUID, holder: Holder, report: Report) -> None:
        """Record what the handler reports while it runs."""
        await self._command(
            run_id, holder, lambda run: run.progress(holder, self._jobs.clock(), report)
        )

    async def succeed(
        self,
        run_id: UUID,
        holder: Holder,
        result: Json,
        report: Report,
        effects: Sequence[Effect] = (),
    ) -> None:
        """Record a result with all its effects, or fail the attempt if the result breaks a rule."""
        run = self._held.get(run_id) or await self._jobs.run(run_id)
        spec = await self.pinned_spec(run.definition_id, run.definition_version)
        issues = _result_issues(spec, result, effects)
        if issues:
            message = "invalid result: " + "; ".join(
                f"{issue.path}: {issue.message}" for issue in issues
            )
            await self.fail(run_id, holder, Failure(message, "invalid_result"), report)
            return
        await self._command(
            run_id,
            holder,
            lambda run: run.succeed(holder, self._jobs.clock(), result, report),
            effects,
        )

    async def fail(self, run_id: UUID, holder: Holder, failure: Failure, report: Report) -> None:
        """End the attempt as failed."""
        random = self._jobs.random.random
        await self._command(
            run_id,
            holder,
            lambda run: run.fail(holder, self._jobs.clock(), failure, report, random),
        )

    async def time_out(self, run_id: UUID, holder: Holder, report: Report) -> None:
        """End the attempt as timed out."""
        random = self._jobs.random.random
        await self._command(
            run_id, holder, lambda run: run.time_out(holder, self._jobs.clock(), report, random)
        )

    async def expire(self, run_id: UUID, holder: Holder, message: str, report: Report) -> None:
        """End the run as expired because its handler says so."""
        await self._command(
            run_id, holder, lambda run: run.expire(holder, self._jobs.clock(), message, report)
        )

    async def confirm_cancel(
        self,
        run_id: UUID,
        holder: Holder,
        reason: str | None,
        report: Report,
        *,
        by_handler: bool = False,
    ) -> None:
        """Record that a run to be canceled has really stopped."""
        await self._command(
            run_id,
            holder,
            lambda run: run.confirm_cancel(
                holder, self._jobs.clock(), reason, report, by_handler=by_handler
            ),
        )

    async def hand_back(self, run_id: UUID, holder: Holder) -> None:
        """Return a run because the worker stops, or its lease is over."""
        await self._command(run_id, holder, lambda run: run.hand_back(holder, self._jobs.clock()))

    async def expire_overdue(self) -> int:
        """Expire runs whose start deadline is over; return how many."""
        expired: list[UUID] = []

        async def decide(locked: Locked) -> list[Aggregate]:
            runs = await self._jobs.load(JobRun, await locked.overdue_run_ids(SWEEP_LIMIT), locked)
            for run in runs.values():
                run.expire_start(locked.now)
            expired[:] = list(runs)
            return await with_catalog(self._jobs, list(runs.values()), (), locked)

        await self._jobs.save_under_lock(decide, Origin(actor="system"))
        return len(expired)

    async def recover(self, suspects: Sequence[tuple[str, int]], observer: str) -> list[UUID]:
        """Declare silent workers dead, and end the attempts of all runs that no living worker holds.

        Args:
            suspects: ids of workers, each with the sequence at which its heartbeat stands still.
            observer: who says so.
        """
        lost: list[UUID] = []

        async def decide(locked: Locked) -> list[Aggregate]:
            for worker_id, sequence in suspects:
                await locked.bury_worker(worker_id, sequence)
            runs = await self._jobs.load(JobRun, await locked.orphaned_run_ids(SWEEP_LIMIT), locked)
            for run in runs.values():
                if run.holder is not None:
                    message = f"worker {run.holder.worker_id} stopped answering"
                    run.lose(run.holder, locked.now, message, self._jobs.random.random)
            lost[:] = list(runs)
            return await with_catalog(self._jobs, list(runs.values()), (), locked)

        await self._jobs.save_under_lock(decide, Origin(actor=observer))
        return lost

    async def pinned_spec(
        self, definition_id: UUID, version: int, locked: Locked | None = None
    ) -> Spec:
        """Return a definition's content as of a version. Versions never change, so they are kept."""
        key = (definition_id, version)
        if key not in self._pinned:
            definition = (await self._jobs.load(JobDefinition, [definition_id], locked))[
                definition_id
            ]
            if len(self._pinned) >= 1024:  # noqa: PLR2004 - bounds memory; refilling costs one look-up each
                self._pinned.clear()
            self._pinned[key] = definition.as_pinned(version)
        return self._pinned[key]

    async def _command(
        self,
        run_id: UUID,
        holder: Holder,
        act: Callable[[JobRun], None],
        effects: Sequence[Effect] = (),
    ) -> None:
        """Let the run decide: as this process left it, if it did, and else, or if that is outdated, as the log has it.

        The log alone is right: what is decided on an outdated run is refused by its version.
        """
        known = self._held.pop(run_id, None)
        decided: list[JobRun] = []

        async def decide() -> list[Aggregate]:
            nonlocal known
            run, known = known, None
            if run is None or not _allows(run, act):
                run = await self._jobs.run(run_id)
                act(run)
            decided[:] = [run]
            return await with_catalog(self._jobs, [run], effects)

        await self._jobs.decide_and_save(decide, _by(holder.worker_id))
        for run in decided:
            if run.status == "running":
                self._held[run_id] = run

    def _give_up(self, run: JobRun, worker_id: str, now: datetime) -> None:
        """Fail a run whose keys are lost, as by a backup without them: no handler may take the mark for a value."""
        message = f"personal data among its parameters are gone: {', '.join(run.erased)}"
        holder = run.start(worker_id, now)
        run.fail(holder, now, Failure(message, permanent=True), Report(), self._jobs.random.random)

    async def _claim(self, run: JobRun, worker_id: str, locked: Locked) -> Claim:
        spec = await self.pinned_spec(run.definition_id, run.definition_version, locked)
        inputs = await inputs_of(self._jobs, run, locked)
        return Claim(run, run.start(worker_id, locked.now), spec, inputs)


def _allows(run: JobRun, act: Callable[[JobRun], None]) -> bool:
    try:
        act(run)
    except DomainError:
        # Of something that this process has not seen, or rightly: the log's run will tell.
        return False
    return True


def _result_issues(spec: Spec, result: Json, effects: Sequence[Effect]) -> list[Issue]:
    if len(canonical(result)) > MAX_RESULT_BYTES:
        return [Issue("/result", f"larger than {MAX_RESULT_BYTES} bytes", "maxLength")]
    broken = (
        violations(spec.output_schema, result, "/result") if spec.output_schema is not None else []
    )
    return broken + effect_issues(effects)


def _by(worker_id: str) -> Origin:
    return Origin(actor=f"worker:{worker_id}")
