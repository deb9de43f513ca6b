"""`apphub-jobs events`: the log for auditors at a terminal, straight from the database.

Begin with `commands.py`; `lines.py` says how an event looks.
"""
