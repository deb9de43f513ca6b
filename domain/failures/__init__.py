"""Failure groups: failed attempts that are alike, and what became of them.

`group.py` says which failures are alike, and has the aggregates; `grouping.py` decides what the
findings of a search of the log change in groups.
"""
