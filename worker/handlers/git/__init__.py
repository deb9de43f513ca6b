"""Cloning strangers' repositories with the `git` command, without prompts, leaks or surprises.

Begin with `checkout.py`, then `client.py`.
"""
