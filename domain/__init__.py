"""What is true: aggregates, their events, and the commands that decide on them, without any I/O.

A file or a folder a subject, `commands/` above them all; `ports.py` says what the outside must
provide. Begin with `jobs/run.py`, then `commands/jobs.py`.
"""
