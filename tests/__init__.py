"""The tests by cost and room: `unit`, `integration` (real PostgreSQL), `e2e` (real processes)."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The repository."""
