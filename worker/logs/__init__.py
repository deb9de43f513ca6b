"""The logs of runs: written beside the worker, kept in a directory or an object store.

Begin with `run_logs.py`, the port; `shipping.py` brings a worker's spool to the store.
"""
