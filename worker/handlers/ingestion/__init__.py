"""The handler that reads a repository: its name, tags, description, Dockerfile and previews.

Uses `git` and `untrusted`. Begin with `handler.py`.
"""
