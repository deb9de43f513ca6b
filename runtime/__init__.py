"""What every process needs whatever it does.

Uses no other room. Begin with `supervision.py`: tasks that go on for as long as
their process.
"""
