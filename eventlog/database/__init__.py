"""PostgreSQL itself: connections, pipelines, notifications, its clock, and shared SQL.

Uses only `eventlog.keys`. Begin with `connection.py`.
"""
