"""The commands on executions: workers claim, report and end runs.

First what a claim brings (`Claim`); then `Executions`, where every command passes the run's fence.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.commands.application import LogApplication
from domain.errors import DomainError, Issue, MissingReadsError, QuarantinedError, WorkerLostError
from domain.jobs.definition import JobSpec
from domain.jobs.run import JobRun
from domain.jobs.run_events import AttemptFailure, Holder, Report
from domain.json_values import Json, JsonObject, canonical
from domain.ports import Claimant, Locked, Offer, Origin
from domain.run_followers import Effect, RunFollowers
from domain.schema.validation import offload_if_long, violations


@dataclass(frozen=True)
class Claim:
    """A run that a worker has claimed, with all that its execution needs.

    Attributes:
        inputs: what the service looked up for the handler; `{}` for most jobs.
    """

    run: JobRun
    holder: Holder
    spec: JobSpec
    inputs: JsonObject


class Claims(list[Claim]):
    """Claimed runs, in the order of the queue.

    Attributes:
        is_cut: whether slots stayed free although more runs may start: they are too large to be
            read at once, or come after too many that cannot be read. The next claim gets them.
    """

    is_cut = False


MAX_RESULT_BYTES = 1_048_576
"""A result is read with every list of runs: larger data belong into a store, and their address into
the result."""

RunCommand = Callable[[JobRun, datetime], None]
"""A command of a worker to its run; its second argument is the present."""


class Executions:
    """What workers may do to runs.

    All commands raise what `domain.ports.Log.append` raises; those on one run also
    StaleExecutionError, if the worker does not hold it any more.
    """

    def __init__(self, application: LogApplication) -> None:
        self._application = application

    async def claim(
        self,
        worker_id: str,
        slots: int,
        offer: Offer | None = None,
        expected_run: UUID | None = None,
    ) -> Claims:
        """Claim up to `slots` due runs that the worker executes, the most urgent first.

        Each `Started` is in the log when this returns. Nothing is looked up afterwards: if that
        failed, nobody would execute the claimed runs.

        Args:
            worker_id: who claims.
            slots: how many runs at most.
            offer: what it executes; None for anything.
            expected_run: the only run that it will probably get, by a notification; a hint.

        Raises:
            WorkerLostError: the worker has been declared lost.
        """
        claim_due = partial(self._claim_due, worker_id, slots, offer, expected_run)
        claims = await self._application.retry_or_give_up(claim_due)
        if claims is None:
            claims = Claims()
            claims.is_cut = True
        return claims

    async def _claim_due(
        self, worker_id: str, slots: int, offer: Offer | None, expected_run: UUID | None
    ) -> Claims:
        claims = Claims()

        async def decide(locked: Locked) -> list[Aggregate]:
            run_ids = await locked.claimable_run_ids()
            if run_ids is None:
                raise WorkerLostError(worker_id)
            runs = [*(await self._application.load(JobRun, run_ids, locked)).values()]
            claims[:] = await self._start(runs, worker_id, locked)
            claims.is_cut = len(runs) < len(run_ids)
            return await self._application.with_followers(runs, (), locked)

        quarantine = self._application.quarantine
        claimant = Claimant(
            worker_id,
            slots,
            quarantine.ids,
            bypasses_more=quarantine.has_forgotten,
            offer=offer,
            expected_run=expected_run,
        )
        await self._application.save_under_lock(decide, _by(worker_id), claimant)
        return claims

    async def _start(self, due: Iterable[JobRun], worker_id: str, locked: Locked) -> list[Claim]:
        """Start the runs for the worker; fail those whose personal data are gone.

        Raises:
            MissingReadsError: something must be read first, for any of the runs.
        """
        claims: list[Claim] = []
        lacking: list[MissingReadsError] = []
        for run in due:
            if run.erased:
                self._fail_erased(run, worker_id, locked.now)
                continue
            try:
                claim = await self._start_run(run, worker_id, locked)
            except MissingReadsError as error:
                lacking.append(error)
            else:
                claims.append(claim)
        if lacking:
            raise MissingReadsError([read for one in lacking for read in one.reads])
        return claims

    def _fail_erased(self, run: JobRun, worker_id: str, now: datetime) -> None:
        """Fail a run whose keys are lost, for example after a restore without them.

        Otherwise its handler would take the mark of an erased value for the value.
        """
        message = f"personal data among its parameters are gone: {', '.join(run.erased)}"
        holder = run.start(worker_id, now)
        failure = AttemptFailure(message, permanent=True)
        run.fail(holder, now, failure, Report(), self._application.random.random)

    async def _start_run(self, run: JobRun, worker_id: str, locked: Locked) -> Claim:
        application = self._application
        try:
            spec = await application.pinned_spec(run.definition_id, run.definition_version, locked)
            inputs = await application.followers.inputs_of(application, run, locked)
        except QuarantinedError as error:
            application.quarantine.add(run.id, error.message)
            raise
        holder = run.start(worker_id, locked.now)
        return Claim(run, holder, spec, inputs)

    async def progress(self, run_id: UUID, holder: Holder, report: Report) -> None:
        """Record what the handler reports while it runs."""
        await self._decide(run_id, holder, lambda run, now: run.progress(holder, now, report))

    async def succeed(  # noqa: PLR0913 - all that a success says
        self,
        run_id: UUID,
        holder: Holder,
        result: Json,
        report: Report,
        effects: Sequence[Effect] = (),
        spec: JobSpec | None = None,
    ) -> None:
        """Record a result with all its effects, or fail the attempt if the result breaks a rule.

        Args:
            run_id: the run.
            holder: who holds it.
            result: what its handler returned.
            report: what its handler reported with it.
            effects: what follows from it beyond the run.
            spec: the job's content in the run's version; None to read it.
        """
        application = self._application
        if spec is None:
            run = application.cached_run(run_id) or await application.run(run_id)
            spec = await application.pinned_spec(run.definition_id, run.definition_version)
        issues = await offload_if_long(
            lambda: _result_issues(spec, result, effects, application.followers)
        )
        if issues:
            reasons = "; ".join(issue.recorded() for issue in issues)
            failure = AttemptFailure(f"invalid result: {reasons}", "invalid_result")
            await self.fail(run_id, holder, failure, report)
            return
        await self._decide(
            run_id, holder, lambda run, now: run.succeed(holder, now, result, report), effects
        )

    async def fail(
        self, run_id: UUID, holder: Holder, failure: AttemptFailure, report: Report
    ) -> None:
        """End the attempt as failed."""
        random = self._application.random.random
        await self._decide(
            run_id, holder, lambda run, now: run.fail(holder, now, failure, report, random)
        )

    async def time_out(self, run_id: UUID, holder: Holder, report: Report) -> None:
        """End the attempt as timed out."""
        random = self._application.random.random
        await self._decide(
            run_id, holder, lambda run, now: run.time_out(holder, now, report, random)
        )

    async def expire(self, run_id: UUID, holder: Holder, message: str, report: Report) -> None:
        """End the run as expired because its handler says so."""
        await self._decide(
            run_id, holder, lambda run, now: run.expire(holder, now, message, report)
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
        await self._decide(
            run_id,
            holder,
            lambda run, now: run.confirm_cancel(holder, now, reason, report, by_handler=by_handler),
        )

    async def hand_back(self, run_id: UUID, holder: Holder) -> None:
        """Return a run because the worker stops, or its lease is over."""
        await self._decide(run_id, holder, lambda run, now: run.hand_back(holder, now))

    async def _decide(
        self, run_id: UUID, holder: Holder, command: RunCommand, effects: Sequence[Effect] = ()
    ) -> None:
        """Let the run decide: the one that this process has in memory, or else that of the log.

        The first saves a read (docs/performance.md). A decision on an outdated run is refused by
        the run's version, and made again.
        """
        kept = self._application.cached_run(run_id)

        async def decide() -> list[Aggregate]:
            nonlocal kept
            run, kept = kept, None
            now = self._application.clock()
            if run is None or not _apply(command, run, now):
                run = await self._application.run(run_id)
                command(run, self._application.clock())
            return await self._application.with_followers([run], effects)

        await self._application.decide_and_save(decide, _by(holder.worker_id))


def _apply(command: RunCommand, run: JobRun, now: datetime) -> bool:
    """Let a run in memory execute a command; return False if it refuses."""
    try:
        command(run, now)
    except DomainError:
        # Either this copy is outdated, or the refusal is right: the run in the log decides.
        return False
    return True


def _result_issues(
    spec: JobSpec, result: Json, effects: Sequence[Effect], followers: RunFollowers
) -> list[Issue]:
    if len(canonical(result)) > MAX_RESULT_BYTES:
        message = f"larger than {MAX_RESULT_BYTES} bytes"
        return [Issue("/result", message, "maxBytes", str(MAX_RESULT_BYTES))]
    issues = followers.effect_issues(spec.entry_point, effects)
    if spec.output_schema is None:
        return issues
    return violations(spec.output_schema, result, "/result") + issues


def _by(worker_id: str) -> Origin:
    return Origin(actor=f"worker:{worker_id}")
