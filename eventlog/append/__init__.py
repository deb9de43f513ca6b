"""How events and rows get into the log: gathered, appended under one lock, committed together.

Uses all other rooms. Begin with `writer.py` (who waits for what), then `batch.py` (one transaction)
and `plan.py` (what it decides); `locked_log.py` is for commands that decide under the lock.
"""
