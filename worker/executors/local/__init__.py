"""Attempts in warm processes on this host, each watched by a supervisor that ends it for certain.

Begin with `executor.py`, then `slot.py` (what the worker holds of a process) and `supervisor.py`,
which is run as a file of its own and imports next to nothing: this docstring must stay one, too.
"""
