"""JSON Schemas of clients: checked, and applied within a budget, so that none can stall a process.

Begin with `validation.py`, which keeps long checks off the event loop; `dialects.py` has the
bounded dialects, `budget.py` the budget.
"""
