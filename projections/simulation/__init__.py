"""What would have been: recorded arrivals and durations, played again under another limit.

Pure functions over what was read of the log; nothing here does input or output. Begin reading at
`answer.py`. It may use the tables' folds, and nothing else uses it but the command that asks.
"""
