"""What clients, workers and the clock may do: one file a subject, one method a command.

Each loads what it must decide on, lets the aggregate decide, and saves the events in one unit.
Begin with `jobs.py`; workers' commands are in `executions.py`, those of the clock in `ticks.py`.
"""
