"""A worker's life: it claims, keeps its lease, runs attempts and records how they end.

Uses `executors` through their port. Begin with `worker.py`, then `attempts.py`; `watcher.py` looks
after runs whose worker is gone.
"""
