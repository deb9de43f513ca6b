"""The live stream: one reader of the log, fanned out to WebSockets and server-sent events.

Begin with `endpoints.py`, then `sessions.py` (a client's way through the log) and `hub.py`.
"""
