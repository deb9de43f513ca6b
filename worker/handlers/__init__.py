"""The handlers that come with the service.

They know `apphub_jobs.contract` alone. Begin with `builtin.py`, which names them.
"""
