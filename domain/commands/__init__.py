"""What may be asked of the service: one file a subject, one method a command.

Each loads what it must decide on, lets the aggregate decide, and saves the events in one unit.
Uses all other rooms of the domain. Begin with `jobs.py`; workers' commands are in `executions.py`.
"""
