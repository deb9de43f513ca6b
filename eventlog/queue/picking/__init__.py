"""Which of the known runs a claim starts, once all is known that counts.

Uses the pure rules of `projections.runs` (limits, rooms, turns). Begin with `surely.py`.
"""
