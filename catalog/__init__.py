"""The catalog: repositories and their builds, the first extension of the job core.

`extension.py` and `api_extension.py` list all that it adds to the core and to the API. Aggregates
are in `repository.py` and `build.py`; `follower.py` says how they follow runs.
"""
