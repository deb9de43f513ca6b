"""`Executions`: the commands of workers: claim, report, end. Every one passes the run's fence."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.catalog.effects import Effect, effect_issues
from domain.catalog.units import inputs_of, with_catalog
from domain.commands.application import LogApplication
from domain.commands.claims import Claim, Claims
from domain.errors import (
    DomainError,
    Issue,
    NotAtHandError,
    QuarantinedError,
    WorkerBuriedError,
)
from domain.jobs import reserved
from domain.jobs.definition import Spec
from domain.jobs.run import JobRun
from domain.jobs.run_values import Failure, Holder, Report
from domain.json_values import Json, canonical
from domain.ports import Claimant, Locked, Offer, Origin
from domain.schema.deciding import decided
from domain.schema.validation import violations

MAX_RESULT_BYTES = 1_048_576
"""A result is read with every list of runs; what is larger belongs into a store, and its address
into the result."""

Act = Callable[[JobRun, datetime], None]
"""What a worker has to say of its run, at some moment."""


class Executions:
    """What workers may do to runs."""

    def __init__(self, application: LogApplication) -> None:
        self._application = application

    async def claim(
        self,
        worker_id: str,
        slots: int,
        offer: Offer | None = None,
        likely: UUID | None = None,
    ) -> Claims:
        """Claim up to `slots` due runs that the worker executes, the most urgent first.

        Each `Started` is in the log when this returns. Nothing is left to be looked up afterwards:
        a look-up that failed would leave claimed runs to nobody.

        Args:
            worker_id: who claims.
            slots: how many runs at most.
            offer: what it executes; None for anything.
            likely: the run that will probably be the only one, if somebody knows.

        Raises:
            WorkerBuriedError: the worker has been declared dead.
        """
        claim_due = partial(self._claim_due, worker_id, slots, offer, likely)
        claims = await self._application.as_far_as_it_goes(claim_due)
        if claims is not None:
            return claims
        nothing_yet = Claims()
        nothing_yet.is_cut = True
        return nothing_yet

    async def _claim_due(
        self, worker_id: str, slots: int, offer: Offer | None, likely: UUID | None
    ) -> Claims:
        claims = Claims()

        async def decide(locked: Locked) -> list[Aggregate]:
            run_ids = await locked.claimable_run_ids()
            if run_ids is None:
                raise WorkerBuriedError(worker_id)
            due = await self._application.load(JobRun, run_ids, locked)
            runs = list(due.values())
            claims[:] = await self._begin(runs, worker_id, locked)
            claims.is_cut = len(runs) < len(run_ids)
            return await with_catalog(self._application, runs, (), locked)

        quarantine = self._application.quarantine
        claimant = Claimant(
            worker_id,
            slots,
            quarantine.ids,
            bypasses_more=quarantine.has_forgotten,
            offer=offer,
            likely=likely,
        )
        await self._application.save_under_lock(decide, _by(worker_id), claimant)
        return claims

    async def _begin(
        self, due: Iterable[JobRun], worker_id: str, locked: Locked
    ) -> list[Claim]:
        """Start the runs for the worker, but for those that nobody may execute.

        Raises:
            NotAtHandError: something must be read first, of whichever of the runs.
        """
        claims: list[Claim] = []
        lacking: list[NotAtHandError] = []
        for run in due:
            if run.erased:
                self._give_up(run, worker_id, locked.now)
                continue
            try:
                claim = await self._claim(run, worker_id, locked)
            except NotAtHandError as error:
                lacking.append(error)
            else:
                claims.append(claim)
        if lacking:
            raise NotAtHandError([fetch for one in lacking for fetch in one.fetches])
        return claims

    async def progress(self, run_id: UUID, holder: Holder, report: Report) -> None:
        """Record what the handler reports while it runs."""

        def act(run: JobRun, now: datetime) -> None:
            run.progress(holder, now, report)

        await self._command(run_id, holder, act)

    async def succeed(
        self,
        run_id: UUID,
        holder: Holder,
        result: Json,
        report: Report,
        effects: Sequence[Effect] = (),
    ) -> None:
        """Record a result with all its effects, or fail the attempt if the result breaks a rule."""
        application = self._application
        known = application.kept_run(run_id)
        run = known
        if run is None:
            run = await application.run(run_id)
        spec = await application.pinned_spec(run.definition_id, run.definition_version)
        issues = await decided(lambda: _result_issues(spec, result, effects))
        if issues:
            reasons = "; ".join(issue.recorded() for issue in issues)
            failure = Failure(f"invalid result: {reasons}", "invalid_result")
            await self.fail(run_id, holder, failure, report)
            return

        def act(run: JobRun, now: datetime) -> None:
            run.succeed(holder, now, result, report)

        await self._command(run_id, holder, act, effects, known)

    async def fail(
        self, run_id: UUID, holder: Holder, failure: Failure, report: Report
    ) -> None:
        """End the attempt as failed."""
        random = self._application.random.random

        def act(run: JobRun, now: datetime) -> None:
            run.fail(holder, now, failure, report, random)

        await self._command(run_id, holder, act)

    async def time_out(self, run_id: UUID, holder: Holder, report: Report) -> None:
        """End the attempt as timed out."""
        random = self._application.random.random

        def act(run: JobRun, now: datetime) -> None:
            run.time_out(holder, now, report, random)

        await self._command(run_id, holder, act)

    async def expire(
        self, run_id: UUID, holder: Holder, message: str, report: Report
    ) -> None:
        """End the run as expired because its handler says so."""

        def act(run: JobRun, now: datetime) -> None:
            run.expire(holder, now, message, report)

        await self._command(run_id, holder, act)

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

        def act(run: JobRun, now: datetime) -> None:
            run.confirm_cancel(holder, now, reason, report, by_handler=by_handler)

        await self._command(run_id, holder, act)

    async def hand_back(self, run_id: UUID, holder: Holder) -> None:
        """Return a run because the worker stops, or its lease is over."""

        def act(run: JobRun, now: datetime) -> None:
            run.hand_back(holder, now)

        await self._command(run_id, holder, act)

    async def _command(
        self,
        run_id: UUID,
        holder: Holder,
        act: Act,
        effects: Sequence[Effect] = (),
        known: JobRun | None = None,
    ) -> None:
        """Let the run decide: as this process left it, or else as the log has it.

        The log alone is right: what is decided on an outdated run is refused by its version, and
        then decided anew.
        """
        known = known or self._application.kept_run(run_id)

        async def decide() -> list[Aggregate]:
            nonlocal known
            run = known
            known = None
            now = self._application.clock()
            if run is None or not _allows(run, act, now):
                run = await self._application.run(run_id)
                act(run, self._application.clock())
            return await with_catalog(self._application, [run], effects)

        await self._application.decide_and_save(decide, _by(holder.worker_id))

    def _give_up(self, run: JobRun, worker_id: str, now: datetime) -> None:
        """Fail a run whose keys are lost, as by a backup without them.

        No handler may take the mark of what is gone for a value.
        """
        message = (
            f"personal data among its parameters are gone: {', '.join(run.erased)}"
        )
        holder = run.start(worker_id, now)
        failure = Failure(message, permanent=True)
        random = self._application.random.random
        run.fail(holder, now, failure, Report(), random)

    async def _claim(self, run: JobRun, worker_id: str, locked: Locked) -> Claim:
        application = self._application
        try:
            spec = await application.pinned_spec(
                run.definition_id, run.definition_version, locked
            )
            inputs = await inputs_of(application, run, locked)
        except QuarantinedError as error:
            application.quarantine.add(run.id, error.message)
            raise
        holder = run.start(worker_id, locked.now)
        return Claim(run, holder, spec, inputs)


def _allows(run: JobRun, act: Act, now: datetime) -> bool:
    try:
        act(run, now)
    except DomainError:
        # Of something that this process has not seen, or rightly: the log's run will tell.
        return False
    return True


def _result_issues(spec: Spec, result: Json, effects: Sequence[Effect]) -> list[Issue]:
    size = len(canonical(result))
    if size > MAX_RESULT_BYTES:
        message = f"larger than {MAX_RESULT_BYTES} bytes"
        return [Issue("/result", message, "maxBytes", str(MAX_RESULT_BYTES))]
    issues = _effect_issues(spec, effects)
    if spec.output_schema is None:
        return issues
    return violations(spec.output_schema, result, "/result") + issues


def _effect_issues(spec: Spec, effects: Sequence[Effect]) -> list[Issue]:
    if effects and spec.entry_point not in reserved.ENTRY_POINTS:
        message = "only the built-in jobs change the catalog; return none"
        return [Issue("/effects", message, "maxItems", message)]
    return effect_issues(effects)


def _by(worker_id: str) -> Origin:
    return Origin(actor=f"worker:{worker_id}")
