"""Personal values in the log: encrypted by a key for each person, unreadable once it is destroyed.

Uses `keys` and `database`. Begin with `writing.py` and `reading.py`; `rotation.py` changes the
master key.
"""
