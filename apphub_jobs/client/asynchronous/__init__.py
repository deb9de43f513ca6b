"""The client to be awaited: `client.py` has the requests, `run.py` what can be done with a run.

Whatever is changed here is changed in `synchronous/` by `python docs/generate_client.py`.
"""
