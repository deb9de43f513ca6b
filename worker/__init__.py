"""What is done: claims, leases, the execution of handlers, and the handlers that come along.

Uses `domain` and `apphub_jobs`, and knows nothing of the log. Begin with `lifecycle/worker.py`.
"""
