"""Workers: claims, leases, the execution of handlers, and the followers of the log.

It uses `domain` and `apphub_jobs`, and knows nothing of the log. Begin with `worker.py`, then
`attempts.py`. `executors/` runs handlers; `ports.py` declares what the log must provide.
"""
