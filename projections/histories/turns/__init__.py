"""Who waits for a turn, as `verify --histories` keeps it.

Uses nothing. Begin with `waiting.py`.
"""
