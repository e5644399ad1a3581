"""Who asked for an operation, and a day of performance samples."""

import sqlalchemy as sql
from alembic import op

revision = "m0002"
down_revision = "m0001"


def upgrade() -> None:
    """Operations of before were nobody's; samples begin now."""
    user = sql.Column("user", sql.String(256), nullable=False, server_default="")
    op.add_column("operation", user)
    op.create_table(
        "sample",
        sql.Column("time", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("entity", sql.String(64), primary_key=True),
        sql.Column("counter", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("value", sql.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Forget users and samples."""
    op.drop_table("sample")
    with op.batch_alter_table("operation") as table:
        table.drop_column("user")
