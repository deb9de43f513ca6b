"""`apphub-jobs schedules`: when jobs run by themselves.

`commands.py` has the commands, `tables.py` what they print.
"""
