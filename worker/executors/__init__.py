"""How an attempt is executed: `port.py` says what any executor does, `local/` is ours.

Uses `handlers` and `logs`. Begin with `port.py`.
"""
