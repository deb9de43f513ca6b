"""Histories of runs that ended long ago, in files that everything goes on reading.

Uses `encoding` and `database`. Begin with `archiver.py` (how they get there); all readers come
through `reading.py`, and `role.py` is who may delete events from the log.
"""
