"""Alembic's migrations; they own every table, the log's included.

Use no other room. Begin with `runner.py`, which applies them; `versions/` has one file a change.
"""
