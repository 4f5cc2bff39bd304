"""What every repository shares: a table whose columns are the fields of one frozen record."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import sqlalchemy as sa

from underpass.core.errors import NotFound
from underpass.store.database import Database

R = TypeVar("R")

PAGE_ITEMS = 100
MAX_PAGE_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """A part of a list, newest first, and the cursor of the next part (None: that was all)."""

    items: tuple[R, ...]
    next: str | None = None


class Repository(Generic[R]):
    """Verbs on the records of one table, each one transaction.

    Sub-classes say `table`, `record` and `noun` (for messages). Everything raises StorageError.
    """

    table: ClassVar[sa.Table]
    record: ClassVar[type[Any]]
    noun: ClassVar[str]

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names = tuple(self.table.columns.keys())

    async def get(self, record_id: str) -> R:
        """The record. Raises NotFound."""
        found = await self.find(record_id)
        if found is None:
            raise self._missing()
        return found

    async def find(self, record_id: str) -> R | None:
        """The record, or None."""
        return await self._one(self.table.c.id == record_id)

    async def add(self, record: R) -> R:
        """Store a new record. Raises Conflict where its id or a unique name is taken."""
        async with self._database.write() as connection:
            await connection.execute(self.table.insert().values(to_row(record)))
        return record

    async def update(self, record_id: str, **changes: Any) -> R:
        """Change some fields; the record as it is now. Raises NotFound, Conflict."""
        changed = await self.update_when(record_id, {}, **changes)
        if changed is None:
            raise self._missing()
        return changed

    async def update_when(
        self, record_id: str, when: Mapping[str, Any], **changes: Any
    ) -> R | None:
        """Change some fields only if `when` still holds; else None, and nothing is changed.

        A value of `when` that is a set, list or tuple means "one of these". This is how a
        worker that looked earlier writes without undoing what others did since. Raises Conflict.
        """
        self._check_fields([*when, *changes])
        conditions = [self.table.c.id == record_id]
        conditions += [_holds(self.table.c[name], value) for name, value in when.items()]
        async with self._database.write() as connection:
            if changes:
                statement = self.table.update().where(*conditions).values(changes)
                if (await connection.execute(statement)).rowcount == 0:
                    return None
                conditions = conditions[:1]
            row = (await connection.execute(self.table.select().where(*conditions))).first()
        return None if row is None else self._from_row(row)

    async def update_all(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Changes many records at once, by their ids; each has the same fields. Raises Conflict.

        One that is gone meanwhile is passed over.
        """
        if not changes:
            return
        names = list(next(iter(changes.values())))
        self._check_fields(names)
        statement = self.table.update().where(self.table.c.id == sa.bindparam("of_id"))
        statement = statement.values({name: sa.bindparam(f"to_{name}") for name in names})
        rows = [
            {"of_id": key, **{f"to_{name}": one[name] for name in names}}
            for key, one in changes.items()
        ]
        async with self._database.write() as connection:
            await connection.execute(statement, rows)

    async def remove(self, record_id: str) -> None:
        """Delete the record and what hangs on it. Raises NotFound."""
        async with self._database.write() as connection:
            done = await connection.execute(self.table.delete().where(self.table.c.id == record_id))
        if done.rowcount == 0:
            raise self._missing()

    # --- for sub-classes -------------------------------------------------------------------

    async def _one(self, *conditions: sa.ColumnElement[bool]) -> R | None:
        async with self._database.read() as connection:
            row = (await connection.execute(self.table.select().where(*conditions))).first()
        return None if row is None else self._from_row(row)

    async def _all(self, *conditions: sa.ColumnElement[bool], **options: Any) -> tuple[R, ...]:
        """Everything that matches, oldest first; `limit` and `order_by` may be given."""
        statement = self.table.select().where(*conditions)
        order = options.get("order_by", (self.table.primary_key.columns.values()[0],))
        statement = statement.order_by(*order).limit(options.get("limit"))
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return tuple(self._from_row(row) for row in rows)

    async def _page(
        self, *conditions: sa.ColumnElement[bool], after: str | None, limit: int
    ) -> Page[R]:
        """The next `limit` records older than the cursor `after`, newest first."""
        key = self.table.c.id
        limit = max(1, min(limit, MAX_PAGE_ITEMS))
        if after is not None:
            conditions = (*conditions, key < after)
        found = await self._all(*conditions, order_by=(key.desc(),), limit=limit + 1)
        items = found[:limit]
        last: Any = items[-1] if len(found) > limit else None
        return Page(items, None if last is None else str(last.id))

    async def _only_names(self, *conditions: sa.ColumnElement[bool]) -> set[str]:
        """The names alone of what matches, which costs little however much there is."""
        statement = sa.select(self.table.c.name).where(*conditions)
        async with self._database.read() as connection:
            return set((await connection.execute(statement)).scalars())

    async def _delete(self, *conditions: sa.ColumnElement[bool]) -> int:
        """Delete what matches; how many there were."""
        async with self._database.write() as connection:
            return (await connection.execute(self.table.delete().where(*conditions))).rowcount

    def _from_row(self, row: sa.Row[Any]) -> R:
        # Not **row._mapping, which asks the row for each column by its name: a good part of the
        # time that opening a long chat takes.
        record: R = self.record(**dict(zip(self._names, row, strict=True)))
        return record

    def _missing(self) -> NotFound:
        return NotFound(f"There is no such {self.noun}.")

    def _check_fields(self, names: Iterable[str]) -> None:
        unknown = [name for name in names if name not in self.table.c]
        if unknown:
            raise TypeError(f"{self.noun} has no field {', '.join(unknown)}")


def to_row(record: Any) -> dict[str, Any]:
    """The fields of a frozen record, one level deep, as values of a row."""
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def to_rows(records: Sequence[Any]) -> list[dict[str, Any]]:
    """Each of `records` as values of a row."""
    return [to_row(record) for record in records]


def _holds(column: sa.Column[Any], value: Any) -> sa.ColumnElement[bool]:
    if isinstance(value, set | frozenset | list | tuple):
        return column.in_(list(value))
    return column.is_(None) if value is None else column == value
