"""Opening what a command works on.

`database.py` knows nothing of what is in there, so that whoever only starts a service need not
import it; `log.py` opens the log with its keys and its archive.
"""
