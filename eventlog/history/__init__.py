"""Reading the log: page by page, an aggregate's history, and everything as it was at a position.

Uses `archive`, `personal`, `encoding` and `database`. Begin with `reader.py` (the stream's way
through the log), or with `as_of.py` for the past.
"""
