"""The commands that start processes: `dev`, `up`, `serve`, `worker`, and what their options mean.

One file a command; `options.py` holds what they share.
"""
