"""How it is reached: HTTP, WebSocket and the command line; and where everything is put together."""
