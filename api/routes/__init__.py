"""One file a resource: from a request to a command or a query, and back to an answer.

Uses `shapes`, `http`, `views` and the commands of `domain`. Begin with `launches.py` or `runs.py`.
What a single resource sends and shows stands beside its routes.
"""
