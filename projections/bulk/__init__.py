"""Bulk operations as they are seen: their table, and lists of them.

`row.py` has the row and its fold; `lists.py` reads them; `promises.py` is what their logs are held
against.
"""
