"""A schedule with every kind of event, for a recording."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.clock import to_iso
from domain.identifiers import definition_id
from domain.jobs.launching import Launch, new_run
from domain.jobs.run import JobRun
from domain.schedules.calendar import ScheduleSpec
from domain.schedules.schedule import Schedule
from domain.schedules.ticks import decide_ticks
from tests.support.logs import TESTER, Parts


async def schedules(part: Parts) -> None:
    """Let minutes pass in the past: a recording shall not take any."""
    definition = await part.jobs.definition(definition_id("report"))
    begun = part.jobs.clock() - timedelta(minutes=10)

    def minute(number: float) -> datetime:
        return begun + timedelta(minutes=number)

    async def tick(number: float) -> UUID | None:
        runs: list[JobRun] = []
        for run_id, due_at in decide_ticks(schedule, minute(number), None).launches:
            launch = Launch(parameters={"day": "sunday"}, scheduled_at=due_at)
            run = new_run(definition, launch, run_id, "system", minute(number))
            runs.append(run)
        await part.jobs.save(schedule, *runs, origin=TESTER)
        return runs[0].id if runs else None

    spec = ScheduleSpec(
        job="report",
        parameters={"day": "sunday"},
        every_ms=60_000,
        time_zone="Europe/Berlin",
        exclude=["* 3 29 2 *"],
        overlap="buffer_one",
        start_at=to_iso(begun),
        end_at="2150-01-01T00:00:00.000Z",
        pause_on_failure=True,
        owner="reporting",
    )
    schedule = Schedule.create("Nightly", spec, begun)
    first = await tick(1.5)
    await tick(2.5)
    await tick(4.5)
    schedule.record_end(str(first), "failed", minute(4.6))
    schedule.resume(minute(4.7))
    second = await tick(4.8)
    schedule.record_end(str(second), "canceled", minute(4.9))
    schedule.revise({"every_ms": None, "cron": "30 2 * * MON"}, minute(4.9))
    triggered = new_run(definition, Launch(), part.jobs.new_id(), "tester", begun)
    schedule.trigger(triggered.id, minute(5))
    await part.jobs.save(schedule, triggered, origin=TESTER)
    schedule.delete("no longer needed", minute(6))
    schedule.recreate(replace(spec, jitter_ms=5_000), minute(7))
    schedule.pause("tester", "holidays", minute(8))
    schedule.state = {
        **schedule.state,
        "next_at": to_iso(minute(9)),
    }  # As other rules of its zone would have it.
    schedule.replan(minute(8))
    hourly = replace(spec, every_ms=None, cron="0 * * * *", exclude=[])
    other = Schedule.create("hourly", hourly, begun)
    await part.jobs.save(schedule, other, origin=TESTER)
