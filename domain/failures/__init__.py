"""Failure groups: failed attempts that are alike, and what became of them.

`signature.py` says which failures are alike, `group.py` has the aggregate, and `watch.py` how far
the log was searched; `grouping.py` decides what the findings of a search change in groups.
"""
