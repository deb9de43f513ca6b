"""Schedules: when a job is launched, and what became of each tick.

`schedule.py` is the aggregate, `schedule_events.py` its events; `calendar.py` has the content of
its versions, and `cron.py` when an expression is due; `ticks.py` decides what becomes of due ticks,
and `past_ticks.py` has those that a backfill launches again.
"""
