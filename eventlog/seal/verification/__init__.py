"""Checking the log against its seals, and seals against heads that are kept elsewhere.

Begin with `verify.py`; `check.py` is the pure comparison, `findings.py` what it may find.
"""
