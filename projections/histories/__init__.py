"""What every log must be: the promises of `docs/state-machine.md`, checked event by event. Pure.

An independent judge: it uses no aggregate and no table, only events. Begin with `checker.py`;
`run_rules.py` has the rules of runs by topic, and is where a new limit gets its rule.
"""
