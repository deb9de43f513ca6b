"""Tables compared with their log: `verify` compares, `rebuild` repairs, both by the same fold.

Uses `history` and all below. Begin with `verify.py`, then `rebuild.py`, `repair.py` (rows
that differ) and `refold.py` (a few aggregates, folded up to now).
"""
