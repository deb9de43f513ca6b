"""The private PostgreSQL, for whoever brings none: made, started, shared and stopped.

Uses nothing of the other rooms. Begin with `server.py`; `placement.py` says where its data lie.
"""
