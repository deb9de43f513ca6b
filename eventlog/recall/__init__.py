"""Aggregates as commands recall them: where they stand, and their histories part by part.

Uses `archive`, `personal` and `database`. Begin with `states.py`; `pages.py` is for where a row
cannot be relied on, and for whoever wants to see a history.
"""
