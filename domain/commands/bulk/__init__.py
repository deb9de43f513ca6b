"""The commands of bulk operations.

`operations.py` has those of clients: preview, start, abort. `steps.py` goes through the chosen
runs, batch by batch. `selection.py` is what both need of the tables, and `repeating.py` makes a
new run of an ended one, also where it is the only one.
"""
