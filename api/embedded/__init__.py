"""The private PostgreSQL, for whoever brings none. Begin with `server.py`."""
