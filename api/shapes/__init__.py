"""Bodies and answers that several routes use: pydantic models from which OpenAPI follows.

Uses `domain` and `projections` for values. Begin with `runs.py`; `base.py` holds what many share.
"""
