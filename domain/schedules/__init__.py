"""Schedules: when a job runs by itself, and what became of each time at which it was to run.

`schedule.py` is the aggregate, `spec.py` what clients say of one. `calendar.py` knows when ticks
are due, and `cron.py` what an expression means on the clocks of a zone. `deciding.py` says what
becomes of one tick, and `settling.py` decides all that are due.
"""
