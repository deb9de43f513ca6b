"""PostgreSQL itself: connections, pipelines, notifications, its clock, and SQL that all rooms share.

Uses only `keys`. Begin with `connection.py`.
"""
