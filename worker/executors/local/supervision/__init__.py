"""The supervisor of a handlers' process: a small program without user code, and what it is made of.

Run isolated and without site-packages, it imports next to nothing, so that it starts quickly.
Begin with `supervisor.py`.
"""
