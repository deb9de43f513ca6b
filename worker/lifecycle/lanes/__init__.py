"""Attempts by how far they are kept apart: each kind has slots, an executor and claims of its own.

Begin with `lane.py`; `lanes.py` speaks to all of a worker's.
"""
