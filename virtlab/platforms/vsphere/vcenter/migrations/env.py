"""How does Alembic get at the database? Through the connection that `store.migrate` hands it."""

from alembic import context


def migrate() -> None:
    """Run the migrations that are due, in the caller's transaction."""
    context.configure(connection=context.config.attributes["connection"])
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # what Alembic calls this file when it runs it
    migrate()
