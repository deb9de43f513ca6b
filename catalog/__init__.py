"""The catalog: repositories and their builds, the first user of the job core.

From the aggregates (`repository.py`, `build.py`) over rows, commands and routes to the handlers
that ingest and build. `effects.py` says what a run's result does to the catalog.
"""
