"""Which runs start: candidates, limits, rates, fairness, the pending queue, and claims.

Pure except for reading rows. Begin with `selection.py`, which decides; `eventlog/claims.py` runs
the queries.
"""
