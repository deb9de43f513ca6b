"""The commands of clients, workers and the clock: a file for each subject, a method for each.

A command loads what the decision depends on, lets the aggregate decide, and appends the events in
one unit. Begin with `jobs.py`; the workers' commands are in `executions.py`, the clock's in
`ticks.py`.
"""
