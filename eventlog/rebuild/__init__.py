"""Tables compared with their log: `verify` compares, `rebuild` repairs, both by the same fold.

Uses `history` and all below. Begin with `verify.py`, then `rebuild.py` and `repair.py`.
"""
