"""Who asks, and what they may do.

Uses nothing of the other rooms. Begin with `principals.py`.
"""
