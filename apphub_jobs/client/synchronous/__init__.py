"""The client that blocks, generated from `asynchronous/` by `python docs/generate_client.py`.

Change nothing here: a test compares.
"""
