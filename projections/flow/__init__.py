"""Which runs start: candidates, limits, rates, fairness, the pending queue, and claims.

Pure but for reading rows. Begin with `claims.py`; `eventlog/claims.py` runs its queries.
"""
