"""Starts that are limited within a period: how much room there is, and which runs it lets start.

Uses `limits.py` and `candidates`. Begin with `rooms.py`.
"""
