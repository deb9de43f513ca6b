"""What is seen: one file a table, each with its columns, its JSON for clients, its queries.

Uses `domain`, whose aggregates say what events do to their rows. Begin with `job_runs.py`; `runs/`
reads it, `flow/` decides which runs start, `messages.py` has what the stream says of an event,
`tables.py` the fold of a whole log, `histories/` the promises that a log must keep.
"""
