"""How an attempt is executed: `port.py` says what any executor does.

In `local/` each attempt has a process to itself, in `shared.py` many have one, in `ray/` each is a
task of a cluster. `packages.py` says which handlers there are. Begin with `port.py`.
"""
