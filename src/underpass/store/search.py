"""Search: which of an owner's chats hold all the words, in their title or in one message.

The index is the database's own and follows the texts by itself (migration 0003): FTS5 on SQLite,
a column of words on PostgreSQL. What a query is made of, how hits are scoped, ranked and paged
is the same for both; only the sentence that asks the index differs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from underpass.store.chats import CHATS, ChatRecord, listed
from underpass.store.database import Database
from underpass.store.messages import MESSAGES
from underpass.store.repository import Page
from underpass.store.tables import Id, clean_text

INDEXED_CHARS = 100_000
"""How much of a text is searched, as the migration has it; a test compares the two."""
MAX_WORDS = 16
MAX_WORD_CHARS = 100
TITLE_WEIGHT = 3.0

# As both indexes cut a text: at blanks, control characters and ASCII marks.
_BETWEEN = re.compile(r"[\s\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+")

_SQLITE_HITS = sa.text(
    """WITH hits AS (
        SELECT search_rows.subject_id AS id, -search_index.rank AS score
        FROM search_index JOIN search_rows ON search_rows.id = search_index.rowid
        WHERE search_index MATCH :query)
    SELECT chats.id AS chat_id, NULL AS message_id, hits.score * :title_weight AS score
    FROM hits JOIN chats ON chats.id = hits.id
    WHERE chats.owner_id = :owner_id
    UNION ALL
    SELECT messages.chat_id, messages.id, hits.score
    FROM hits JOIN messages ON messages.id = hits.id JOIN chats ON chats.id = messages.chat_id
    WHERE chats.owner_id = :owner_id AND messages.deleted_at IS NULL"""
)
_POSTGRES_HITS = sa.text(
    """SELECT chats.id AS chat_id, NULL AS message_id,
        ts_rank_cd(chats.search_words, wanted) * :title_weight AS score
    FROM chats, to_tsquery('simple', :query) AS wanted
    WHERE chats.owner_id = :owner_id AND chats.search_words @@ wanted
    UNION ALL
    SELECT messages.chat_id, messages.id, ts_rank_cd(messages.search_words, wanted, 1)
    FROM to_tsquery('simple', :query) AS wanted, messages
        JOIN chats ON chats.id = messages.chat_id
    WHERE chats.owner_id = :owner_id AND messages.deleted_at IS NULL
        AND messages.search_words @@ wanted"""
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A chat that holds the words, and the best place: a message, or None for its title."""

    chat: ChatRecord
    message_id: str | None
    text: str
    """The title, or the part of the message that is searched."""


def words_of(query: str) -> list[str]:
    """The words that a query asks for, as the index knows them; empty if there is none."""
    words = _BETWEEN.split(clean_text(query))
    real = [word[:MAX_WORD_CHARS] for word in words if any(char.isalnum() for char in word)]
    return real[:MAX_WORDS]


class Search:
    """Looks for words in chats. Everything raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self,
        owner_id: str,
        words: Sequence[str],
        *,
        is_archived: bool | None = False,
        folder: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Hit]:
        """An owner's chats that hold all the words (the last one may be the beginning of a
        word), best first. `words` are those of `words_of`; none of them finds nothing."""
        start = _start(after)
        if not words or start is None:
            return Page(())
        best = self._best_hits(
            owner_id, words, listed(owner_id, is_archived=is_archived, folder=folder)
        )
        text = sa.func.coalesce(sa.func.substr(MESSAGES.c.content, 1, INDEXED_CHARS), CHATS.c.title)
        statement = (
            sa.select(best.c.message_id, text.label("text"), *CHATS.c)
            .join(CHATS, CHATS.c.id == best.c.chat_id)
            .outerjoin(MESSAGES, MESSAGES.c.id == best.c.message_id)
            .where(best.c.place == 1)
            .order_by(best.c.score.desc(), CHATS.c.updated_at.desc(), CHATS.c.id.desc())
            .offset(start)
            .limit(limit + 1)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        hits = tuple(_hit(row) for row in rows[:limit])
        return Page(hits, str(start + limit) if len(rows) > limit else None)

    def _best_hits(
        self, owner_id: str, words: Sequence[str], conditions: list[sa.ColumnElement[bool]]
    ) -> sa.Subquery:
        """Each chat's hits in their order; `place` 1 is the best."""
        is_sqlite = self._database.is_sqlite
        asked = (_SQLITE_HITS if is_sqlite else _POSTGRES_HITS).bindparams(
            query=_sqlite_query(words) if is_sqlite else _postgres_query(words),
            owner_id=owner_id,
            title_weight=TITLE_WEIGHT,
        )
        hits = asked.columns(
            sa.column("chat_id", Id), sa.column("message_id", Id), sa.column("score", sa.Double)
        ).subquery("hits")
        place = sa.func.row_number().over(
            partition_by=hits.c.chat_id, order_by=(hits.c.score.desc(), hits.c.message_id.desc())
        )
        return (
            sa.select(hits.c.chat_id, hits.c.message_id, hits.c.score, place.label("place"))
            .join(CHATS, CHATS.c.id == hits.c.chat_id)
            .where(*conditions)
            .subquery("best")
        )


# A word holds no ASCII mark, so in quotes it can be nothing else to either database.


def _sqlite_query(words: Sequence[str]) -> str:
    return " AND ".join(f'"{word}"' for word in words) + " *"


def _postgres_query(words: Sequence[str]) -> str:
    return " & ".join(f"'{word}'" for word in words) + ":*"


def _start(after: str | None) -> int | None:
    """How many hits the parts before held; None for a cursor that somebody made up."""
    if after is None:
        return 0
    return int(after) if after.isdecimal() and after.isascii() and len(after) < 10 else None


def _hit(row: sa.Row[tuple[object, ...]]) -> Hit:
    values = dict(row._mapping)
    message_id, text = values.pop("message_id"), values.pop("text")
    return Hit(ChatRecord(**values), message_id, text or "")
