"""Job definitions and the runs launched from them: aggregates, events, and the rules of both.

Uses `schema` and `personal`. Begin with `run.py` (what may happen to a run) and `run_events.py`
(what then has happened); `launching.py` makes a run's first event from a definition.
"""
