"""Schedules: when a job runs by itself, and what became of each tick.

`schedule.py` is the aggregate. `calendar.py` has what clients say of a schedule, when its ticks are
due, and what becomes of one; `ticks.py` decides all ticks that are due.
"""
