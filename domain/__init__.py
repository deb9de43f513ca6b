"""The domain: aggregates, their events, and the commands that change them, without any I/O.

Each subject is a file or a folder, and `commands/` uses them all; `ports.py` is the interface to
the log. Begin with `jobs/run.py`, then read `commands/jobs.py`.
"""
