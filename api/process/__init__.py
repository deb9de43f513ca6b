"""The long-running processes: `serving.py` is an API or a worker, `up.py` runs both."""
