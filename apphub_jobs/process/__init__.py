"""The program of a handler's process: it takes tasks, runs handlers and reports how they end.

Uses the standard library alone, for it starts once for every slot. Begin with `program.py`.
"""
