"""PostgreSQL itself: connections, pipelines, notifications, its clock, and SQL that all share.

Uses only `eventlog.keys`. Begin with `connection.py`.
"""
