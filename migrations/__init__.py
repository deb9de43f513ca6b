"""Alembic's migrations; they own every table, the log's included.

Uses no other package. Begin with `runner.py`, which applies them; `versions/` has a file for each.
"""
