"""Backups: the log in files, from which everything else is computed again.

Begin with `backup_set.py`, which says what a set holds; `dump.py` writes it and `load.py` reads it.
"""
