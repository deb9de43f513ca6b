"""`apphub-jobs doctor`: what works on this machine, what does not, and what to do about it.

Begin with `command.py`; `checks.py` has a function for each thing that is looked at.
"""
