"""The programs that run handlers: one of their processes, and one of the probe that lists handlers.

They use the standard library alone, and little of it, for a process starts for every slot. Begin
with `program.py`; `handlers.py` says whose modules a process sees.
"""
