"""Typed jobs: a function's signature defines a job's parameters and result.

Begin with `job.py`, which has the decorator and the jobs that it makes. Only `signature.py` imports
pydantic, when a typed job's definition or handler is first needed.
"""
