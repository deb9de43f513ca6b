"""The commands of every day: launch, look, follow, cancel, compare, and a doctor.

They ask a running service over HTTP, except for `doctor`, which looks at this machine first.
Begin with `runs.py`.
"""
