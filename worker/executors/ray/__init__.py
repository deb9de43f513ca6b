"""Attempts on a Ray cluster: each is a task there, watched by the same supervisor as on this host.

Begin with `executor.py` (in the worker), then `driver.py` (a child of the worker, which uses Ray)
and `node.py` (the code on the cluster's nodes). `wire.py` encodes the messages between them.
"""
