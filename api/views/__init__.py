"""What several routes show: runs, histories and definitions, now or past, and the status.

Uses `projections` and the log. Begin with `lists.py`.
"""
