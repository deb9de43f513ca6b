"""What every process needs whatever it does.

Uses no other floor. Begin with `tasks.py`: background tasks that run for as long as their process.
"""
