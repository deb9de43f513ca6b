"""The handler that builds an image of a repository, and the builders that it can use.

Begin with `handler.py`; `builders/` has one file a builder.
"""
