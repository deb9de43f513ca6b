"""Histories of runs that ended long ago, in files that everything goes on reading.

Uses `encoding` and `database`. Begin with `archiver.py` (how they get there); `reading.py` is the one
place through which readers come to them; `role.py` is who may delete events from the log.
"""
