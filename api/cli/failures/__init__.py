"""`apphub-jobs failures`: `commands.py` has all of them.

They speak to a service by its client, as the commands of every day do.
"""
