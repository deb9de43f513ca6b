"""Histories of runs that ended long ago, in files that all readers still read.

Uses `encoding` and `database`. Begin with `archiver.py`, which moves events from the log into
files. Readers use `reading.py`, seals `stored_bytes.py`; `role.py` is the role that may delete
events from the log.
"""
