"""The journal of operations, and what a database says of itself."""

import sqlalchemy as sql
from alembic import op

revision = "m0001"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "operation",
        sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("time", sql.Double, nullable=False),
        sql.Column("kind", sql.String(64), nullable=False),
        sql.Column("target", sql.String(256), nullable=False),
        sql.Column("arguments", sql.JSON, nullable=False),
    )
    op.create_table(
        "about",
        sql.Column("name", sql.String(64), primary_key=True),
        sql.Column("value", sql.String(256), nullable=False),
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("about")
    op.drop_table("operation")
