"""What chats need beyond their first messages: folders, deleted branches, search, shares, presets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEXED_CHARS = 100_000
"""How much of a text is searched: PostgreSQL refuses a text whose words take more than 1 MiB."""

# PostgreSQL's parser keeps addresses and paths in one piece, SQLite's does not: with its marks
# made blanks, a text is the same words for both.
_MARKS = "".join(chr(code) for code in range(0x21, 0x7F) if not chr(code).isalnum())


def upgrade() -> None:
    """From the tables with files."""
    op.add_column("chats", sa.Column("folder", sa.Text(), nullable=True))
    op.add_column(
        "chats",
        sa.Column("is_pinned", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("chats", sa.Column("head_id", sa.String(64), nullable=True))
    op.add_column("messages", sa.Column("deleted_at", sa.Double(), nullable=True))
    op.add_column(
        "messages",
        sa.Column("continued_chars", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    _shares()
    _presets()
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_search()
    else:
        _postgres_search()


def _shares() -> None:
    op.create_table(
        "shares",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("chat_id", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("leaf_id", sa.String(64), nullable=False),
        sa.Column("messages", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name=op.f("fk_shares_chat_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_shares_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shares")),
        sa.UniqueConstraint("chat_id", name=op.f("uq_shares_chat_id")),
    )
    op.create_table(
        "share_users",
        sa.Column("share_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["share_id"], ["shares.id"], name=op.f("fk_share_users_share_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_share_users_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("share_id", "user_id", name=op.f("pk_share_users")),
    )
    op.create_index("ix_share_users_user_id", "share_users", ["user_id"], unique=False)


def _presets() -> None:
    op.create_table(
        "presets",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("system_prompt", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_presets_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_presets")),
    )
    op.create_index("uq_presets_owner_id_name", "presets", ["owner_id", "name"], unique=True)


# --- search ---------------------------------------------------------------------------------


def _sqlite_search() -> None:
    """An FTS5 index over titles and messages that triggers keep in step with them.

    The tables have text for keys, and SQLite may number their rows anew in a VACUUM, so the
    index has numbers of its own. The view lets FTS5 read the texts without a second copy.
    """
    op.execute(
        "CREATE TABLE search_rows (id INTEGER PRIMARY KEY, subject_id VARCHAR(64) NOT NULL UNIQUE)"
    )
    op.execute(
        f"""CREATE VIEW search_texts AS
            SELECT search_rows.id AS id,
                substr(coalesce(messages.content, chats.title), 1, {INDEXED_CHARS}) AS text
            FROM search_rows
            LEFT JOIN messages ON messages.id = search_rows.subject_id
            LEFT JOIN chats ON chats.id = search_rows.subject_id"""
    )
    op.execute(
        """CREATE VIRTUAL TABLE search_index USING fts5(
            text, content='search_texts', content_rowid='id',
            tokenize='unicode61 remove_diacritics 2')"""
    )
    for table, column in (("chats", "title"), ("messages", "content")):
        _sqlite_triggers(table, column)
        op.execute(f"INSERT INTO search_rows (subject_id) SELECT id FROM {table}")
    op.execute("INSERT INTO search_index (search_index) VALUES ('rebuild')")


def _sqlite_triggers(table: str, column: str) -> None:
    forget = f"""INSERT INTO search_index (search_index, rowid, text)
        SELECT 'delete', id, substr(old.{column}, 1, {INDEXED_CHARS})
        FROM search_rows WHERE subject_id = old.id;"""
    learn = f"""INSERT INTO search_index (rowid, text)
        SELECT id, substr(new.{column}, 1, {INDEXED_CHARS})
        FROM search_rows WHERE subject_id = new.id;"""
    op.execute(
        f"""CREATE TRIGGER search_{table}_added AFTER INSERT ON {table} BEGIN
            INSERT INTO search_rows (subject_id) VALUES (new.id);
            {learn}
        END"""
    )
    op.execute(
        f"""CREATE TRIGGER search_{table}_changed AFTER UPDATE OF {column} ON {table}
            WHEN old.{column} IS NOT new.{column} BEGIN
            {forget}
            {learn}
        END"""
    )
    op.execute(
        f"""CREATE TRIGGER search_{table}_removed AFTER DELETE ON {table} BEGIN
            {forget}
            DELETE FROM search_rows WHERE subject_id = old.id;
        END"""
    )


def _postgres_search() -> None:
    """A column of words beside each text, kept by the database itself."""
    marks = _MARKS.replace("'", "''")
    for table, column in (("chats", "title"), ("messages", "content")):
        text = f"translate(left({column}, {INDEXED_CHARS}), '{marks}', '{' ' * len(_MARKS)}')"
        # Not through sa.text: a colon among the marks would be a parameter to it.
        op.get_bind().exec_driver_sql(
            f"ALTER TABLE {table} ADD COLUMN search_words tsvector"
            f" GENERATED ALWAYS AS (to_tsvector('simple', {text})) STORED"
        )
        op.execute(f"CREATE INDEX search_{table} ON {table} USING gin (search_words)")
