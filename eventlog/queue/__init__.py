"""The queue as one process knows it: followed by the log, so that claims begin at its frontier.

Uses `rebuild` for whether rows were mended, `history` for its checkpoints, and `database`. Begin
with `following.py`; what is remembered, and why, says `projections/runs/frontier.py`.
"""
