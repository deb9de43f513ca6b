"""The tests, by room and by cost: `unit`, `integration` (a real PostgreSQL), `e2e` (real processes)."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The repository."""
