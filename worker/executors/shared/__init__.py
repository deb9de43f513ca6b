"""Attempts that share a process: many of one handler package at a time, under one supervisor.

Begin with `executor.py`, then `process.py` (what becomes of all its attempts), `attempt.py` and
`attempt_logs.py`. The process's own program is `apphub_jobs/process/shared/program.py`.
"""
