"""How an attempt is executed: `port.py` says what any executor does.

In `local/` each attempt has a process to itself, in `shared/` many have one, in `ray/` each is a
task of a cluster. Uses `handlers` and `logs`. Begin with `port.py`.
"""
