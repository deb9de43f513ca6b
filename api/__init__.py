"""The API: HTTP, WebSocket, the dashboard, and the composition root that puts a service together.

May import everything but the command line. Begin with `app.py` (HTTP) or `bootstrap/service.py`
(what a process is made of).
"""
