"""What is seen: one file a table, each with its row, its fold `evolve` and its JSON for clients.

Uses `domain` for values and errors. Begin with `job_runs.py`; `runs/` holds questions about runs,
`messages.py` what the stream says of an event, `folder.py` the fold of a whole log, `histories/`
the promises that a log must keep.
"""
