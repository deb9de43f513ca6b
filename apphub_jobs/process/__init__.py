"""The programs that run handlers, one attempt or many at a time, and the probe that lists handlers.

They import little, and only of the standard library, as a process starts for every slot. Begin with
`program.py`; `handlers.py` decides which modules a process may import.
"""
