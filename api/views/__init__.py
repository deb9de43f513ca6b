"""What routes show from more than one place: runs now or as of a position, apps, build logs.

Uses `projections` and the log. Begin with `runs.py`.
"""
