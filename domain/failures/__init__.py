"""Failure groups: attempts that ended badly for the same reason, and what became of them.

`fingerprint.py` says which failures are the same, and `group.py` is the aggregate. `watch.py` knows
up to where the log was searched for failures; `noting.py` decides what is found there.
"""
