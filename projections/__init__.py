"""The read side: a file for each table, with its columns, its JSON for clients and its queries.

The aggregates of `domain` say what events do to rows. Begin with `job_runs.py`; `runs/` queries it,
`flow/` decides which runs start, `messages.py` makes the messages of the stream, `tables.py` folds
a whole log, and `histories/` has the promises that a log must keep.
"""
