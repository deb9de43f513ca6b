"""Schedules end to end: real ticks, and real runs in their way.

`test_overlaps.py` has a table of what each policy of overlap does.
"""
