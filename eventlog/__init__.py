"""The log on PostgreSQL, from its one writer to its checks, seals and archives.

Begin with `append/writer.py`. Claims and the pending queue stand in `claims.py` and
`pending_queue.py`, reading in `history/` and `rehydration.py`, tamper evidence in `seal/`.
"""
