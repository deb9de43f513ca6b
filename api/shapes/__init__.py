"""Bodies and answers: one file a resource, pydantic models from which OpenAPI follows.

Uses `domain` and `projections` for values. Begin with `runs.py`; `fields.py` holds what many share.
"""
