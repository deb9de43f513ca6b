"""Repositories and their builds, and the two built-in jobs that ingest and build them.

Uses `jobs`. Begin with `repository.py` and `build.py`; `following.py` says how either follows the
run that works on it, `effects.py` what a handler may ask for with its result.
"""
