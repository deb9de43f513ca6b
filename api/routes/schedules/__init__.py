"""`/schedules`: `changing.py` has what changes one, `reading.py` what is to be seen.

Both are routes over `domain/commands/schedules/` and `projections/schedules/`.
"""
