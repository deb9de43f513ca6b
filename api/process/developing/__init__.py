"""What `dev` does beside running the service: files are watched, handlers replaced, keys heard.

Begin with `developer.py`; the service itself runs below `api/process/up.py`, as in `up`.
"""
