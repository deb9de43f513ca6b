"""Full load for minutes, while somebody is in the way: `make pressure`.

Begin with `__main__.py`; `scenarios.py` says who is in the way.
"""
