"""The processes that the command line starts: API, worker, both together (`up`), and `dev`.

Begin with `supervisor.py`, which starts API and worker.
"""
