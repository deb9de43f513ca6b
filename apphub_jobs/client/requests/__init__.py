"""The requests of both clients, pure: one file a subject, each function builds one API request.

`request.py` has the type `Request`. Functions are named after the methods that send them.
"""
