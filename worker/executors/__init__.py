"""The executors of attempts; `port.py` declares what each of them does.

In `local/`, each attempt has a process to itself; in `shared.py`, many attempts share one; in
`ray/`, each is a task of a cluster. `packages.py` has the handlers. Begin with `port.py`.
"""
