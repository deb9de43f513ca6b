"""What `worker`, `up` and `dev` can be told of the work they do.

Begin with `options.py`; `cluster.py` is for `worker` alone.
"""
