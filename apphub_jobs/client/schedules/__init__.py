"""Schedules: `requests.py` says what is asked of them, `documents.py` what they look like.

Both clients share it.
"""
