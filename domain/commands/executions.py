"""The commands on executions: workers claim, report and end runs; sweeps end the abandoned ones.

First what a claim brings (`Claim`); then `Executions`, where every command passes the run's fence;
then `Sweeps`, for runs whose time is over or whose worker is gone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.commands.application import SYSTEM, LogApplication
from domain.errors import DomainError, Issue, NotAtHandError, QuarantinedError, WorkerBuriedError
from domain.jobs.definition import JobSpec
from domain.jobs.run import JobRun
from domain.jobs.run_events import AttemptFailure, Holder, Report
from domain.json_values import Json, JsonObject, canonical
from domain.ports import Claimant, Locked, Offer, Origin
from domain.quarantine import Passing
from domain.run_followers import Effect, RunFollowers
from domain.schema.validation import decided, violations


@dataclass(frozen=True)
class Claim:
    """A run that a worker now holds, with all that its execution needs.

    Attributes:
        inputs: what the service looked up for the handler; `{}` for most jobs.
    """

    run: JobRun
    holder: Holder
    spec: JobSpec
    inputs: JsonObject


class Claims(list[Claim]):
    """Claimed runs, in the order in which they were waiting.

    Attributes:
        is_cut: whether there was room for more, but they are too large to be read in one go, or
            stand behind too many that cannot be read: the next claim has them.
    """

    is_cut = False


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
        self, worker_id: str, slots: int, offer: Offer | None = None, likely: UUID | None = None
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
            return await self._application.with_followers(runs, (), locked)

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

    async def _begin(self, due: Iterable[JobRun], worker_id: str, locked: Locked) -> list[Claim]:
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
        issues = await decided(lambda: _result_issues(spec, result, effects, application.followers))
        if issues:
            reasons = "; ".join(issue.recorded() for issue in issues)
            failure = AttemptFailure(f"invalid result: {reasons}", "invalid_result")
            await self.fail(run_id, holder, failure, report)
            return

        def act(run: JobRun, now: datetime) -> None:
            run.succeed(holder, now, result, report)

        await self._command(run_id, holder, act, effects, known)

    async def fail(
        self, run_id: UUID, holder: Holder, failure: AttemptFailure, report: Report
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

    async def expire(self, run_id: UUID, holder: Holder, message: str, report: Report) -> None:
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
            return await self._application.with_followers([run], effects)

        await self._application.decide_and_save(decide, _by(holder.worker_id))

    def _give_up(self, run: JobRun, worker_id: str, now: datetime) -> None:
        """Fail a run whose keys are lost, as by a backup without them.

        No handler may take the mark of what is gone for a value.
        """
        message = f"personal data among its parameters are gone: {', '.join(run.erased)}"
        holder = run.start(worker_id, now)
        failure = AttemptFailure(message, permanent=True)
        random = self._application.random.random
        run.fail(holder, now, failure, Report(), random)

    async def _claim(self, run: JobRun, worker_id: str, locked: Locked) -> Claim:
        application = self._application
        try:
            spec = await application.pinned_spec(run.definition_id, run.definition_version, locked)
            inputs = await application.followers.inputs_of(application, run, locked)
        except QuarantinedError as error:
            application.quarantine.add(run.id, error.message)
            raise
        holder = run.start(worker_id, locked.now)
        return Claim(run, holder, spec, inputs)


def _allows(run: JobRun, act: Act, now: datetime) -> bool:
    try:
        act(run, now)
    except DomainError:
        # Either this copy is outdated or the refusal is right: decide again on the run in the log.
        return False
    return True


def _result_issues(
    spec: JobSpec, result: Json, effects: Sequence[Effect], followers: RunFollowers
) -> list[Issue]:
    size = len(canonical(result))
    if size > MAX_RESULT_BYTES:
        message = f"larger than {MAX_RESULT_BYTES} bytes"
        return [Issue("/result", message, "maxBytes", str(MAX_RESULT_BYTES))]
    issues = followers.effect_issues(spec.entry_point, effects)
    if spec.output_schema is None:
        return issues
    return violations(spec.output_schema, result, "/result") + issues


def _by(worker_id: str) -> Origin:
    return Origin(actor=f"worker:{worker_id}")


# `Sweeps` recovers runs of dead workers, and expires runs past their start deadline.

SWEEP_LIMIT = 500
"""How many runs one recovery or expiry moves at a time, so that no append holds the lock for
long. There may be fewer, as `Locked.states_of` says: the next one has the others."""

BEFORE_ALL = UUID(int=0)
"""No run has this id, and all come after it."""


class Sweeps:
    """What observers may do to runs.

    Attributes:
        buried: how many workers were declared dead here, for whoever counts.
    """

    def __init__(self, application: LogApplication) -> None:
        self._application = application
        self.buried = 0
        quarantine = application.quarantine
        self._overdue = Passing[UUID](quarantine.__contains__)
        self._orphaned = Passing[UUID](quarantine.__contains__)

    async def expire_overdue(self) -> int:
        """Expire runs whose start deadline is over; return how many.

        There may be more: none are expired where too many that cannot be read come first, but the
        next time begins behind those.
        """
        expired = await self._application.as_far_as_it_goes(self._expire_overdue)
        return expired or 0

    async def _expire_overdue(self) -> int:
        expired: list[UUID] = []
        bypassed = self._application.quarantine.ids
        after = self._after(self._overdue)

        async def decide(locked: Locked) -> list[Aggregate]:
            overdue = await locked.overdue_run_ids(SWEEP_LIMIT, bypassed, after)
            self._overdue.looked_at(overdue)
            found = await self._application.load(JobRun, overdue, locked)
            runs = list(found.values())
            for run in runs:
                run.expire_start(locked.now)
            expired[:] = found
            return await self._application.with_followers(runs, (), locked)

        await self._application.save_under_lock(decide, SYSTEM)
        return len(expired)

    async def recover(self, suspects: Sequence[tuple[str, int]], observer: str) -> list[UUID]:
        """Declare silent workers dead, and end the attempts of all runs that no living worker has.

        Returns the ids of those runs. There may be more, as with `expire_overdue`.

        Args:
            suspects: ids of workers, each with the sequence at which its heartbeat stands still.
            observer: who says so.
        """
        recover = partial(self._recover, suspects, observer)
        lost = await self._application.as_far_as_it_goes(recover)
        return lost or []

    async def _recover(self, suspects: Sequence[tuple[str, int]], observer: str) -> list[UUID]:
        lost: list[UUID] = []
        buried: list[bool] = []
        bypassed = self._application.quarantine.ids
        after = self._after(self._orphaned)

        async def decide(locked: Locked) -> list[Aggregate]:
            buried.clear()
            for worker_id, sequence in suspects:
                was_buried = await locked.bury_worker(worker_id, sequence)
                buried.append(was_buried)
            orphaned = await locked.orphaned_run_ids(SWEEP_LIMIT, bypassed, after)
            self._orphaned.looked_at(orphaned)
            found = await self._application.load(JobRun, orphaned, locked)
            runs = list(found.values())
            for run in runs:
                self._lose(run, locked)
            lost[:] = found
            return await self._application.with_followers(runs, (), locked)

        await self._application.save_under_lock(decide, Origin(actor=observer))
        self.buried += sum(buried)
        if any(buried):
            # Their runs may stand before the place that was come to.
            self._orphaned.begin_anew()
        return lost

    def _after(self, passing: Passing[UUID]) -> UUID | None:
        """Return after which run to look; None where all are known that are to be left out."""
        if not self._application.quarantine.has_forgotten:
            passing.begin_anew()
            return None
        now_s = self._application.clock().timestamp()
        return passing.after(now_s) or BEFORE_ALL

    def _lose(self, run: JobRun, locked: Locked) -> None:
        holder = run.holder
        if holder is None:
            return
        message = f"worker {holder.worker_id} stopped answering"
        random = self._application.random.random
        run.lose(holder, locked.now, message, random)
