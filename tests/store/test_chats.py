"""Chats in the store."""

from underpass.store import ChatRecord, Store, UserRecord


async def _chat(store: Store, number: int, **more: object) -> ChatRecord:
    fields = {"id": f"cht_{number}", "owner_id": "usr_1", "created_at": 1.0}
    record = ChatRecord(**{**fields, "updated_at": float(number), **more})  # type: ignore[arg-type]
    return await store.chats.add(record)


async def test_the_chat_last_changed_comes_first(store: Store, alice: UserRecord) -> None:
    """The cursor leads through all of them once, also where two changed at the same time."""
    for number, changed in ((1, 5.0), (2, 9.5), (3, 5.0), (4, 1.0)):
        await _chat(store, number, updated_at=changed)
    seen, after = [], None
    while True:
        page = await store.chats.list(alice.id, after=after, limit=1)
        seen += [chat.id for chat in page.items]
        after = page.next
        if after is None:
            break
    assert seen == ["cht_2", "cht_3", "cht_1", "cht_4"]
    assert (await store.chats.list(alice.id, after="made up")).items == ()


async def test_archived_and_deleted_chats_are_out_of_the_way(
    store: Store, alice: UserRecord
) -> None:
    """Archived ones can be asked for; deleted ones go for good after a while."""
    kept = await _chat(store, 1, settings={"temperature": 0.5})
    archived = await _chat(store, 2, archived_at=2.0)
    await _chat(store, 3, deleted_at=3.0)
    assert (await store.chats.list(alice.id)).items == (kept,)
    assert (await store.chats.list(alice.id, is_archived=True)).items == (archived,)
    assert (await store.chats.list(alice.id, is_archived=None)).items == (archived, kept)
    assert await store.chats.remove_deleted(3.0) == 1
    assert await store.chats.find("cht_3") is None


async def test_pinned_chats_come_first(store: Store, alice: UserRecord) -> None:
    """On whichever part of the list; the cursor leads through both kinds once."""
    for number, is_pinned in ((1, True), (2, False), (3, True), (4, False)):
        await _chat(store, number, is_pinned=is_pinned)
    seen, after = [], None
    while True:
        page = await store.chats.list(alice.id, after=after, limit=1)
        seen += [chat.id for chat in page.items]
        after = page.next
        if after is None:
            break
    assert seen == ["cht_3", "cht_1", "cht_4", "cht_2"]


async def test_folders(store: Store, alice: UserRecord) -> None:
    """Those that chats are in, whatever the case, with how many; the list can be one's alone."""
    for number, folder in enumerate(("work", "Play", "work", None)):
        await _chat(store, number, folder=folder)
    await _chat(store, 8, folder="work", archived_at=1.0)
    await _chat(store, 9, folder="gone", deleted_at=1.0)
    assert await store.chats.folders(alice.id) == (("Play", 1), ("work", 2))
    found = (await store.chats.list(alice.id, folder="work")).items
    assert [chat.id for chat in found] == ["cht_2", "cht_0"]
    assert await store.chats.folders("usr_9") == ()
