"""Attempts on a cluster of Ray: each is a task there, watched by the same supervisor as at home.

Begin with `executor.py` (in the worker), then `driver/` (a child of the worker, which speaks to
Ray) and `node/` (what runs on the cluster). `wire.py` is what they say to each other.
"""
