"""Queries of runs for clients: lists and searches, the past, attempts.

Each file is SQL and the function that runs it, over the row of `projections/job_runs.py`. Begin
with `filters.py`, which lists and the past share.
"""
