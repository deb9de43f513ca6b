"""How events and rows get into the log: gathered, appended under one lock, committed together.

Begin with `writer.py` (the queue of requests), then `transaction.py` (one batch) and `plan.py`
(what it decides); `locked_log.py` is for commands that decide under the lock.
"""
