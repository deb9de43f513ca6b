"""Stored events in other forms: the very bytes, a JSON document, and the codec of the library.

Uses `database`. `columns.py` is what seals cover, `document.py` what archives and proofs hold.
"""
