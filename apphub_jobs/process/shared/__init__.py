"""The program of a shared process: many attempts of one handler package at a time.

Coroutines share a loop, plain functions have threads. Begin with `program.py`; `attempts.py` runs
an attempt, `outbox.py` gathers what is said of them, `output.py` knows who has printed what.
"""
