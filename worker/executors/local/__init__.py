"""Attempts in warm processes on this host, each watched by a supervisor that ends it for certain.

Begin with `executor.py`, then `slot.py` (the worker's side of a process) and `supervisor.py`. The
supervisor's program imports this file, so it must have nothing but this docstring.
"""
