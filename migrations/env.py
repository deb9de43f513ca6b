"""Alembic's entry: runs on the connection that the caller hands over, so tests and tools aim it anywhere."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
