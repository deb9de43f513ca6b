"""Typed jobs: a function's signature says what a job takes and returns.

Begin with `decorator.py`; `job.py` is what it makes. Only `signature.py` imports pydantic, when a
typed job is first asked for its definition or is made ready to run.
"""
