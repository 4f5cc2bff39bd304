"""What is tidied every few seconds is found without reading every message."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Three small indexes: of what was deleted, and of the runs that have no end."""
    for table in ("chats", "messages"):
        is_deleted = sa.text("deleted_at IS NOT NULL")
        op.create_index(
            f"ix_{table}_deleted_at",
            table,
            ["deleted_at"],
            unique=False,
            sqlite_where=is_deleted,
            postgresql_where=is_deleted,
        )
    has_no_end = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_runs_unfinished",
        "runs",
        ["id"],
        unique=False,
        sqlite_where=has_no_end,
        postgresql_where=has_no_end,
    )
