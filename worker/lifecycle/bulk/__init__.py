"""Bulk operations as a duty of each process: which ones to go on with, and when to leave them.

Uses the domain's commands and the ports beside. Begin with `going_on.py`.
"""
