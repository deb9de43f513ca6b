"""The logs of runs, in a directory that workers and the API share or in an object store.

Begin with `run_logs.py`, which has the ports; `shipping.py` ships logs to an object store.
"""
