"""Schedules as they are seen: `row.py` is the table, `due.py` what there is to be decided.

What became of each tick, the events tell.
"""
