"""The promises that every log must keep (`docs/state-machine.md`), checked event by event. Pure.

It reads only events, and uses no aggregate and no table, so that it finds their mistakes. Begin
with `checker.py`; `run_rules.py` has the rules of runs by topic, where a new limit gets its rule.
"""
