"""Questions about apps: lists and searches, facets, tags to suggest.

Each file is SQL and the function that asks it, over the row of `projections/repositories.py` and
the counts that its table keeps. Begin with `search.py`; `facets.py` says where counts come from.
"""
