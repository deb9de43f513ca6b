"""Job definitions and their runs: aggregates, events and rules.

Begin with `run.py` (the commands of a run) and `run_events.py` (its events and its state);
`launching.py` makes a new run from a definition, which is in `definition.py`, with its policies in
`policies.py`. How much of a report fits into a run is in `reports.py`.
"""
