"""Private keys in files: the one that signs seals, and the master key of personal data.

Uses no other room. Begin with `sealing.py`; `master.py` also wraps the subjects' keys.
"""
