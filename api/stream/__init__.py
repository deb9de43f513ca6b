"""The live stream: one reader of the log, fanned out to WebSockets and server-sent events.

Begin with `sessions.py` (a client's way through the log), then `hub.py`.
"""
