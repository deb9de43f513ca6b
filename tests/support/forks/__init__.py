"""Processes of the service that need not import it each: forked from one that has.

Begin with `forked.py` (the tests' side); `origin.py` is what they are forked from.
"""
