"""Routes for whoever looks after a fleet: its workers, and which jobs go on.

Uses `shapes`, `http` and what `bootstrap` puts together. Begin with `workers.py`.
"""
