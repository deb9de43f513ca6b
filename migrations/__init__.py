"""Alembic's migrations; they own every table, the log's included. `runner` applies them."""
