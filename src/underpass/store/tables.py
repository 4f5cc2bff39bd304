"""The vocabulary of the tables: one MetaData, and the column types that both databases share.

Column types map to plain Python values in records: `Text` ↔ str, `Words` ↔ tuple[str, ...],
`EnumText` ↔ StrEnum, `JsonValue` ↔ dict or list, `Seconds` ↔ float (unix time).
"""

import enum
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

# Named constraints: a migration can drop what has a name, and a broken one is told apart by it.
METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Text(sa.types.TypeDecorator[str]):
    """Any text a person or a model can produce.

    PostgreSQL takes no NUL and neither database takes a lone surrogate; both become U+FFFD, so
    that a strange token of a model can never lose the answer it stands in.
    """

    impl: Any = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean_text(value)


class Id(Text):
    """An id or a hash. A made-up one from a URL can hold anything and must simply not be found."""

    impl: Any = sa.String(64)
    cache_ok = True


class Words(sa.types.TypeDecorator[tuple[str, ...]]):
    """A short list of words, kept as a JSON array."""

    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> Any:
        return None if value is None else [str(word) for word in value]

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[str, ...] | None:
        return None if value is None else tuple(value)


class EnumText(sa.types.TypeDecorator[enum.StrEnum]):
    """A StrEnum, kept as its text: a new member needs no migration, and psql shows words."""

    impl = sa.String(32)
    cache_ok = True

    def __init__(self, kind: type[enum.StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> enum.StrEnum | None:
        return None if value is None else self.kind(value)


# JSON and not JSONB: PostgreSQL's binary form refuses \u0000, which models do produce.
JsonValue = sa.JSON(none_as_null=True)
Seconds = sa.Double


def clean_text(text: str) -> str:
    """`text` with each NUL and each lone surrogate replaced by U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def id_column() -> sa.Column[str]:
    """The primary key: the caller's id, which sorts by time."""
    return sa.Column("id", Id, primary_key=True)


def reference(
    name: str, target: str, *, is_optional: bool = False, primary_key: bool = False
) -> sa.Column[str]:
    """A column that points at `target` ("users.id") and goes with it.

    An optional one is emptied when its target goes.
    """
    key = sa.ForeignKey(target, ondelete="SET NULL" if is_optional else "CASCADE")
    return sa.Column(name, Id, key, nullable=is_optional, primary_key=primary_key)


def partial_index(name: str, *columns: str, where: str) -> sa.Index:
    """An index of the few rows that `where` holds for."""
    condition = sa.text(where)
    return sa.Index(name, *columns, sqlite_where=condition, postgresql_where=condition)
