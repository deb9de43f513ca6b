"""Tables held against their log: `verify` compares, `rebuild` mends, both by the one fold.

Uses `history` and all below. Begin with `verify.py`, then `rebuild.py` and `repair.py`.
"""
