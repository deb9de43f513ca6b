"""The requests of both clients, pure: one file a subject, each function one call of the API.

`request.py` says what a request is.
"""
