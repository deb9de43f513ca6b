"""The long-running processes: an API, a worker, or both.

Uses `app.py`, `bootstrap` and what is below. Begin with `serving.py`; `up.py` runs both.
"""
