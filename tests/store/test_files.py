"""Files in the store: whole or not at all, and gone with the messages that had them."""

from collections.abc import AsyncIterator

import pytest

from underpass.core.errors import Conflict, StorageError
from underpass.core.states import MessageStatus
from underpass.store import (
    ChatRecord,
    FileKind,
    FileRecord,
    MessageRecord,
    RunRecord,
    Store,
    UserRecord,
)


def record(file_id: str, owner: UserRecord, **fields: object) -> FileRecord:
    """A text file."""
    told: dict[str, object] = {"name": "a.txt", "media_type": "text/plain", "bytes": 6} | fields
    return FileRecord(id=file_id, owner_id=owner.id, kind=FileKind.TEXT, created_at=5.0, **told)  # type: ignore[arg-type]


async def parts(*data: bytes) -> AsyncIterator[bytes]:
    """A content in parts."""
    for one in data:
        yield one


async def kept(store: Store, alice: UserRecord, *file_ids: str) -> MessageRecord:
    """A message in a chat of Alice's that has the files."""
    await store.chats.add(ChatRecord(id="cht_1", owner_id=alice.id, created_at=1.0, updated_at=1.0))
    message = MessageRecord(
        id="msg_1",
        chat_id="cht_1",
        role="user",
        created_at=1.0,
        attachments=[{"id": file_id, "name": "a.txt"} for file_id in file_ids],
    )
    await store.messages.add_all((message,))
    return message


async def test_a_file_and_its_text(store: Store, alice: UserRecord) -> None:
    """What went in comes out, byte for byte, NUL and all."""
    stored = record("fil_1", alice, text_chars=2, pages=3)
    await store.files.store(stored, parts(b"ab\x00", b"\xffcd"), "hi")
    assert await store.files.get("fil_1") == stored
    assert b"".join([part async for part in store.files.content("fil_1")]) == b"ab\x00\xffcd"
    assert await store.files.text("fil_1") == "hi"
    assert [part async for part in store.files.content("fil_none")] == []
    assert await store.files.text("fil_none") == ""


async def test_half_a_file_is_never_stored(store: Store, alice: UserRecord) -> None:
    """An upload that breaks off leaves nothing."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"ab"
        raise ConnectionResetError

    with pytest.raises(StorageError):
        await store.files.store(record("fil_1", alice), broken(), "hi")
    assert await store.files.find("fil_1") is None
    assert await store.files.owned_bytes(alice.id) == 0


async def test_only_the_owners_files_are_found(store: Store, alice: UserRecord) -> None:
    """A guessed id of somebody else's is left out."""
    bob = await store.users.add(
        UserRecord(id="usr_2", name="bob", display_name="Bob", created_at=1.0)
    )
    await store.files.store(record("fil_1", alice), parts(b"a"), "")
    await store.files.store(record("fil_2", bob), parts(b"b"), "")
    assert list(await store.files.of_owner(alice.id, ["fil_1", "fil_2", "fil_3"])) == ["fil_1"]
    assert await store.files.owned_bytes(alice.id) == 6


async def test_a_file_lives_as_long_as_a_message_has_it(store: Store, alice: UserRecord) -> None:
    """Removed with the chat at once; one that was never used, after a while."""
    for file_id in ("fil_1", "fil_2"):
        await store.files.store(record(file_id, alice), parts(b"a"), "x")
    message = await kept(store, alice, "fil_1")
    assert (await store.messages.get(message.id)).attachments == message.attachments
    assert await store.files.is_in_use("fil_1")
    assert not await store.files.is_in_use("fil_2")
    assert await store.files.remove_unused(before=4.0) == 0
    assert await store.files.remove_unused(before=5.0) == 1
    assert await store.files.find("fil_2") is None
    await store.chats.remove("cht_1")
    assert await store.files.remove_unused(before=0.0) == 1
    assert [part async for part in store.files.content("fil_1")] == []


async def test_a_file_of_two_messages_stays_for_the_other(store: Store, alice: UserRecord) -> None:
    """A fork of a chat has it too, by copying the message."""
    await store.files.store(record("fil_1", alice), parts(b"a"), "x")
    message = await kept(store, alice, "fil_1")
    await store.chats.add(ChatRecord(id="cht_2", owner_id=alice.id, created_at=1.0, updated_at=1.0))
    copy = MessageRecord(
        id="msg_2", chat_id="cht_2", role="user", created_at=1.0, attachments=message.attachments
    )
    await store.messages.add_all((copy,))
    await store.chats.remove("cht_1")
    assert await store.files.remove_unused(before=9.0) == 0
    assert await store.files.is_in_use("fil_1")


async def test_a_turn_that_begins_has_its_files(store: Store, alice: UserRecord) -> None:
    """Question, answer and run go in together, with the link to the file."""
    await store.files.store(record("fil_1", alice), parts(b"a"), "x")
    await store.chats.add(ChatRecord(id="cht_1", owner_id=alice.id, created_at=1.0, updated_at=1.0))
    question = MessageRecord(
        id="msg_1", chat_id="cht_1", role="user", created_at=1.0, attachments=[{"id": "fil_1"}]
    )
    run = RunRecord(
        id="run_1",
        chat_id="cht_1",
        message_id="msg_1",
        owner_id=alice.id,
        model="p/m",
        request_id="req_1",
        started_at=1.0,
        heartbeat_at=1.0,
        status=MessageStatus.WAITING,
        asked={"model": "p/m"},
    )
    await store.answers.begin([question], run, {})
    assert await store.files.is_in_use("fil_1")
    assert (await store.runs.get("run_1")).asked == {"model": "p/m"}
    waiting = {"code": "loading"}
    await store.answers.note("run_1", "msg_1", {"waiting": waiting}, {"asked": None})
    assert (await store.messages.get("msg_1")).waiting == waiting
    assert (await store.runs.get("run_1")).asked is None


async def test_a_message_with_a_file_that_is_gone(store: Store, alice: UserRecord) -> None:
    """Is refused whole."""
    with pytest.raises(Conflict):
        await kept(store, alice, "fil_none")
