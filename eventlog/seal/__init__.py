"""Tamper evidence: signed heads of a Merkle tree over the log's bytes.

Uses `archive` and all below. Begin with `sealer.py`, which makes seals; `verify.py` and `check.py`
check them, `proofs.py` proves single events.
"""
