"""Bulk operations: one order about many runs, and how far it has got.

Uses `filters` and the words of `jobs`. Begin with `operation.py` (the aggregate with its events),
then `order.py` (what may be ordered). `rows.py` makes the aggregate of its row, and
`pace.py` says how many runs are gone through at a time.
"""
