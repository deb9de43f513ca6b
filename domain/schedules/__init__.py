"""Schedules: when a job is launched, and what became of each tick.

`schedule.py` is the aggregate; `calendar.py` has the content of its versions, and when their ticks
are due; `ticks.py` decides what becomes of due ticks.
"""
