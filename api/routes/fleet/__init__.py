"""Routes for whoever looks after a fleet: its workers.

Uses `shapes`, `http` and what `bootstrap` puts together. Begin with `workers.py`.
"""
