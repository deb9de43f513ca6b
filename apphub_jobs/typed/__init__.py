"""Typed jobs: a function's signature says what a job takes and returns.

Begin with `job.py`, which has the decorator and the jobs that it makes. Only `signature.py` imports
pydantic, when a typed job's definition is first needed or the job is made ready to run.
"""
