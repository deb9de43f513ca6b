"""Histories of runs that ended long ago, in files that all readers still read.

Uses `encoding` and `database`. Begin with `archiver.py` (how they get there); all readers use
`reading.py`, seals `stored_bytes.py`; `role.py` is the role that may delete events from the log.
"""
