"""A test service: one whose clock can be moved, and that can be emptied while it runs.

Begin with `routes.py`; `databases.py` makes and replaces its database. No other service has either.
"""
