"""HTTP as all routes use it: requests read strictly, answers and errors in one shape.

Begin with `dependencies.py` (what a route depends on) and `errors.py` (what a failure looks like).
"""
