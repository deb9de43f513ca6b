"""The service that a browser looks at, and what has happened in it."""
