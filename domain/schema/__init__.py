"""JSON Schemas from strangers: checked, and applied within a budget, so that none can stall us.

Uses nothing of the domain but its values. Begin with `validation.py`, which keeps long checks off
the event loop; `dialects.py` has the bounded keywords, `budget.py` the bound.
"""
