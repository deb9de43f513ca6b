"""Attempts in warm processes on this host, each watched by a supervisor that ends it for certain.

Begin with `executor.py`, then `slot.py` (what the worker holds of a process) and `supervisor.py`,
whose program imports this, too: it must stay a docstring.
"""
