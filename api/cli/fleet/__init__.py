"""Commands for whoever looks after a fleet: its workers, and many runs at a time.

They ask a running service over HTTP, as those of every day do. Begin with `workers.py`.
"""
