"""Attempts on a cluster of Ray: each is a task there, watched by the same supervisor as at home.

Begin with `executor.py` (in the worker), then `driver.py` (a child of the worker, which speaks to
Ray) and `node.py` (what runs on the cluster). `wire.py` is what they say to each other.
"""
