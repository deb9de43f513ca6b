"""Reading the log: by position, by aggregate, and everything as it was at a position.

Uses `archive`, `personal`, `encoding` and `database`. Begin with `reader.py`, by which streams read
the log, or with `as_of.py` for the past.
"""
