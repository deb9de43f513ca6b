"""What is done: claims, leases, the execution of handlers, and what follows from the log.

Uses `domain` and `apphub_jobs`, and knows nothing of the log. Begin with `worker.py`, then
`attempts.py`; `executors/` run handlers, `ports.py` says what the log must provide.
"""
