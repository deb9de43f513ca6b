"""What clients may do to schedules (`schedules.py`), and what the clock does (`ticking.py`).

`units.py` says what a change of schedules brings along, `change.py` what is decided together, and
`places.py` where the next runs go whose jobs want few alike. `backfilling.py` makes up for ticks of
the past.
"""
