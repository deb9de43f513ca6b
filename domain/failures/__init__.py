"""Failure groups: attempts that ended badly for the same reason, and what became of them.

`group.py` says which failures are the same, and has the aggregate and the position up to which the
log was searched. `grouping.py` decides what follows from a search, `rows.py` reads rows back.
"""
