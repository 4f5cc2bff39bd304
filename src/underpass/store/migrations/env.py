"""How Alembic runs our migrations: on the connection and in the transaction that it is given."""

from alembic import context

from underpass.store.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    transactional_ddl=True,
    # SQLite alters a table by making a new one.
    render_as_batch=True,
)
context.run_migrations()
