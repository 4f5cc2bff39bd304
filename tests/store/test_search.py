"""Search: found, ranked, scoped and kept in step, on both databases."""

import importlib

import pytest
import sqlalchemy as sa

from underpass.core.errors import StorageError
from underpass.store import ChatRecord, Hit, MessageRecord, Page, Store, UserRecord, words_of
from underpass.store.search import INDEXED_CHARS


async def chat(store: Store, number: int, title: str = "", *texts: str, **more: object) -> str:
    """A chat with its messages, one under the other."""
    fields = {"id": f"cht_{number}", "owner_id": "usr_1", "created_at": 1.0, "updated_at": number}
    record = ChatRecord(**{**fields, "title": title, **more})  # type: ignore[arg-type]
    await store.chats.add(record)
    for index, text in enumerate(texts):
        await store.messages.add(
            MessageRecord(
                id=f"msg_{number}_{index}",
                chat_id=record.id,
                role="user",
                content=text,
                created_at=float(index),
            )
        )
    return record.id


async def find(store: Store, query: str, **more: object) -> list[tuple[str, str | None]]:
    """(chat, message) of each hit, best first."""
    page = await search(store, query, **more)
    return [(hit.chat.id, hit.message_id) for hit in page.items]


async def search(store: Store, query: str, **more: object) -> Page[Hit]:
    """What a query of alice's finds."""
    return await store.search.find("usr_1", words_of(query), **more)  # type: ignore[arg-type]


async def test_titles_and_texts_are_found(store: Store, alice: UserRecord) -> None:
    """Whatever the case; all words have to be there; the last may be the beginning of one."""
    await chat(store, 1, "About foxes", "The quick brown fox", "jumps over the lazy dog")
    await chat(store, 2, "Slurm", "How do I ask for two GPUs on node7.example.org?")
    assert await find(store, "FOX") == [("cht_1", None)]
    assert await find(store, "brown quick") == [("cht_1", "msg_1_0")]
    assert await find(store, "lazy do") == [("cht_1", "msg_1_1")]
    assert await find(store, "laz dog") == []
    assert await find(store, "quick dog") == []
    assert await find(store, "node7.example") == [("cht_2", "msg_2_0")]
    assert await find(store, "example") == [("cht_2", "msg_2_0")]
    assert [hit.text for hit in (await search(store, "slurm")).items] == ["Slurm"]


async def test_the_best_comes_first(store: Store, alice: UserRecord) -> None:
    """A title weighs more than a text, and a chat comes once, with its best place."""
    await chat(store, 1, "", "padding " * 300 + "kernel")
    await chat(store, 2, "", "nothing here", "kernel kernel kernel")
    await chat(store, 3, "The kernel", "kernel")
    assert await find(store, "kernel") == [
        ("cht_3", None),
        ("cht_2", "msg_2_1"),
        ("cht_1", "msg_1_0"),
    ]


async def test_hits_come_in_parts(store: Store, alice: UserRecord) -> None:
    """Each once; a made-up cursor finds nothing."""
    for number in range(5):
        await chat(store, number, "same title")
    seen, after = [], None
    while True:
        page = await search(store, "same", after=after, limit=2)
        seen += [hit.chat.id for hit in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == [f"cht_{number}" for number in range(5)]
    for made_up in ("x", "-1", "²", "9" * 30, "1~2~3"):
        assert await find(store, "same", after=made_up) == []


async def test_nobody_elses_and_nothing_that_is_gone(store: Store, alice: UserRecord) -> None:
    """Strangers' chats, deleted chats, deleted messages; archived ones when asked for."""
    await store.users.add(UserRecord(id="usr_2", name="bob", display_name="B", created_at=1.0))
    await chat(store, 1, "secret plan", "secret words", owner_id="usr_2")
    await chat(store, 2, "secret", "secret", deleted_at=1.0)
    await chat(store, 3, "", "secret")
    await chat(store, 4, "secret", archived_at=1.0, folder="Work")
    await store.messages.set_deleted("cht_3", ["msg_3_0"], at=2.0, head_id=None)
    assert await find(store, "secret") == []
    assert await find(store, "secret", is_archived=True) == [("cht_4", None)]
    assert await find(store, "secret", is_archived=None, folder="Work") == [("cht_4", None)]
    assert await find(store, "secret", is_archived=None, folder="Play") == []
    await store.messages.set_deleted("cht_3", ["msg_3_0"], at=None, head_id="msg_3_0")
    assert await find(store, "secret") == [("cht_3", "msg_3_0")]


async def test_the_index_follows_what_changes(store: Store, alice: UserRecord) -> None:
    """Renamed, written, removed with its chat: the old words are gone, the new ones are there."""
    await chat(store, 1, "alpha", "beta")
    await store.chats.update("cht_1", title="gamma")
    await store.messages.update("msg_1_0", content="delta")
    assert await find(store, "alpha") == await find(store, "beta") == []
    assert await find(store, "gamma") == [("cht_1", None)]
    assert await find(store, "delta") == [("cht_1", "msg_1_0")]
    await store.chats.remove("cht_1")
    assert await find(store, "gamma") == await find(store, "delta") == []
    if not store.database.is_sqlite:
        return
    async with store.database.write() as connection:
        # FTS5 compares each word of its index with the texts, and fails if they differ.
        await connection.execute(
            sa.text("INSERT INTO search_index(search_index, rank) VALUES ('integrity-check', 1)")
        )
        left = await connection.execute(sa.text("SELECT count(*) FROM search_rows"))
        assert left.scalar() == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_index_that_is_out_of_step_is_noticed(store: Store, alice: UserRecord) -> None:
    """The check above can fail: a text that was changed behind the triggers' back. PostgreSQL has no
    triggers for it, it makes the column itself."""
    await chat(store, 1, "alpha")
    with pytest.raises(StorageError):
        async with store.database.write() as connection:
            await connection.execute(sa.text("DROP TRIGGER search_chats_changed"))
            await connection.execute(sa.text("UPDATE chats SET title = 'beta'"))
            await connection.execute(
                sa.text(
                    "INSERT INTO search_index(search_index, rank) VALUES ('integrity-check', 1)"
                )
            )


@pytest.mark.parametrize(
    "query",
    [
        *('"', '""', "'", "a'b", 'a"b', "\\", "a\\'b", "*", "a*", "^a", "a:b", "title:x", "{a b}"),
        *("AND", "OR", "NOT", "NEAR(a b)", "a AND", "(", ")", "a & | !", "a <-> b", "a:*", ":*"),
        *("%", "_", "a%", "; DROP TABLE chats", "-- x", "\x00", "a\x00b", "\ud800", "\ufffd"),
        *("—", "…", "🚇", "🚇 a", "a" * 10_000, "a " * 10_000, "é", "ß", "汉字", "हिन्दी", "٣", "½"),
    ],
)
async def test_hostile_queries(store: Store, alice: UserRecord, query: str) -> None:
    """Whatever is asked: an answer and no error."""
    await chat(store, 1, "a title", "a AND b")
    assert isinstance(await find(store, query), list)


async def test_words_of_every_language(store: Store, alice: UserRecord) -> None:
    """Found as they are written."""
    await chat(store, 1, "Größe", "naïve café", "Москва", "東京 駅", "हिन्दी भाषा")
    for query in ("größe", "café", "москва", "東京", "हिन्दी"):
        assert len(await find(store, query)) == 1, query


async def test_an_endless_text(store: Store, alice: UserRecord) -> None:
    """Stored whole and found by its beginning, whatever it is made of."""
    many = " ".join(chr(0x10000 + number) for number in range(INDEXED_CHARS))
    await chat(store, 1, "", "x" * 1_500_000, "early " + "word " * 300_000 + "late", many)
    assert await find(store, "early") == [("cht_1", "msg_1_1")]
    assert await find(store, "late") == []
    assert len((await store.messages.get("msg_1_2")).content) == len(many)


def test_the_limit_is_that_of_the_migration() -> None:
    """The part of a text that a hit shows is the part that is searched."""
    name = "underpass.store.migrations.versions.0003_chat_tree_search_shares"
    assert importlib.import_module(name).INDEXED_CHARS == INDEXED_CHARS
