"""Questions about runs: lists and searches, what is due, who may be claimed, the past, attempts.

Each file is SQL and the function that asks it, over the row of `projections/job_runs.py`.
Begin with `lists.py`; `claims.py` chooses what a worker gets.
"""
