"""Connections as they look byte by byte.

Begin with `clients.py` (who takes nothing, who sends in vain); `pieces.py` cuts what comes.
"""
