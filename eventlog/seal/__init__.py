"""Tamper evidence: signed heads of a Merkle tree over the log's bytes.

Uses `history` and all below. Begin with `sealer.py`, which writes seals; `verification/` checks
them, `proofs.py` proves single events.
"""
