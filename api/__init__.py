"""How it is reached: HTTP, WebSocket and the command line; and where everything is put together.

May import everything. Begin with `app.py` (HTTP), `cli/main.py` (the commands) or
`bootstrap/service.py` (what a process is made of).
"""
