"""How the API describes itself: OpenAPI, and the page that shows it without any other server.

Uses `shapes` and what is below. Begin with `openapi.py`; `words.py` says what each field means.
"""
