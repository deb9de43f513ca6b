"""The driver: a child of the worker that speaks to Ray, and knows nothing of the service.

Begin with `program.py`, then `cluster.py` (its nodes) and `attempts.py` (its tasks).
"""
