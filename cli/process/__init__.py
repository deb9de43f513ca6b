"""The processes that the command line starts: API, worker, both together (`up`), and `dev`.

Begin with `up.py`, which supervises the others.
"""
