"""Usage by key, model and session, with tokens; limits of keys, users and groups."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_OLD = (
    "day",
    "user_id",
    "provider_id",
    "requests",
    "failures",
    "cancelled",
    "bytes_in",
    "bytes_out",
)
_KEY = ("day", "user_id", "provider_id", "key_id", "model", "session_id")


def upgrade() -> None:
    """A table whose key grows is made anew on SQLite, so on both."""
    op.add_column("keys", sa.Column("requests_per_minute", sa.BigInteger(), nullable=True))
    op.add_column("keys", sa.Column("tokens_per_day", sa.BigInteger(), nullable=True))
    op.create_table(
        "limits",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("tokens_per_day", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_limits")),
    )
    op.create_table(
        "usage_sums",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("provider_id", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("requests", "failures", "cancelled", "bytes_in", "bytes_out")
        ),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("tokens_in", "tokens_out", "first_bytes")
        ),
        sa.Column("first_byte_s", sa.Double(), nullable=False),
        sa.Column("answer_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_usage_sums_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(*_KEY, name=op.f("pk_usage_sums")),
    )
    old = ", ".join(_OLD)
    op.execute(
        f"INSERT INTO usage_sums ({old}, key_id, model, session_id, tokens_in, tokens_out, "
        f"first_bytes, first_byte_s, answer_s) SELECT {old}, '', '', '', 0, 0, 0, 0, 0 FROM usage"
    )
    op.drop_table("usage")
