"""What every process needs whatever it does.

Uses no other room. Begin with `background_tasks.py`.
"""
