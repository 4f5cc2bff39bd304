"""Files in messages: what the model gets, and how long they are kept."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.chats import ChatRig, open_rig
from tests.fakes.documents import PNG
from tests.fakes.registry import ANN, BOB, custom, tunnel
from underpass.chat.service import NewMessage
from underpass.core.errors import AppError, NotFound
from underpass.registry.views import ModelView


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service with a scripted door."""
    async with open_rig(tmp_path) as rig:
        yield rig


async def answered(rig: ChatRig, chat: str, content: str | None = "hi", **fields: Any) -> Any:
    """What sending said, once the answer is complete."""
    sent = await rig.send(chat, content, **fields)
    (await rig.door.answer()).finish("An answer.")
    await rig.stored(rig.run(sent["run"]["id"]))
    return sent


async def added(rig: ChatRig, name: str, data: bytes, **more: bool) -> str:
    """The id of a new file of ann's."""

    async def content() -> AsyncIterator[bytes]:
        yield data

    return str((await rig.chats.files.upload(ANN, name, content(), **more))["id"])


async def test_files_go_with_a_message(rig: ChatRig) -> None:
    """The model gets them with every turn; the message shows them; they go with the chat."""
    chat = await rig.chat()
    notes, shot = await added(rig, "notes.md", b"# Notes"), await added(rig, "s.png", PNG)
    sent = await answered(rig, chat, "", attachments=(notes, shot))
    assert [file["name"] for file in sent["message"]["attachments"]] == ["notes.md", "s.png"]
    assert sent["reply"]["attachments"] == []
    shown = await rig.chats.get(ANN, chat)
    assert shown["title"] == "notes.md, s.png"
    assert shown["messages"][0]["attachments"] == sent["message"]["attachments"]
    await answered(rig, chat, "and now?")
    first, _, last = rig.door.body()["messages"]
    assert [part["type"] for part in first["content"]] == ["text", "image_url"]
    assert "# Notes" in first["content"][0]["text"]
    assert last["content"] == "and now?"
    await answered(rig, chat, None, parent_id=sent["message"]["id"])
    assert "# Notes" in str(rig.door.body()["messages"])
    await rig.chats.delete(ANN, chat)
    assert (await rig.chats.files.get(ANN, notes)).name == "notes.md"  # it may be had back
    await rig.store.chats.remove(chat)
    await rig.chats.tidy()
    with pytest.raises(NotFound):
        await rig.chats.files.get(ANN, notes)


async def test_a_fork_keeps_the_files(rig: ChatRig) -> None:
    """Also when the first chat is gone."""
    chat = await rig.chat()
    sent = await answered(rig, chat, "read", attachments=(await added(rig, "a.txt", b"text a"),))
    fork = await rig.chats.branches.fork(ANN, chat, sent["reply"]["id"])
    await rig.store.chats.remove(chat)
    await rig.chats.tidy()
    await answered(rig, fork["id"], "again")
    assert "text a" in str(rig.door.body()["messages"])


async def test_what_a_message_cannot_have(rig: ChatRig) -> None:
    """A picture for a model that says it takes none, a file in a chat that keeps nothing, with an
    answer, or of somebody else: a code each, and nothing is stored."""
    blind = ModelView("m", modalities=("text",))
    rig.registry.put_provider(replace(tunnel("blind"), models=(blind,)))
    chat, shot = await rig.chat(), await added(rig, "s.png", PNG)
    temporary = (await rig.chats.create(ANN, model="gpu/m", is_temporary=True))["id"]
    held = await added(rig, "t.txt", b"x", is_temporary=True)
    cases: list[tuple[str, NewMessage, str]] = [
        (chat, NewMessage("hi", model="blind/m", attachments=(shot,)), "model_takes_no_images"),
        (temporary, NewMessage("hi", attachments=(shot,)), "file_not_temporary"),
        (chat, NewMessage("hi", attachments=(held,)), "file_temporary"),
        (chat, NewMessage(None, attachments=(shot,)), "invalid_request"),
        (chat, NewMessage("hi", attachments=("fil_none",)), "not_found"),
    ]
    for chat_id, new, code in cases:
        with pytest.raises(AppError) as caught:
            await rig.chats.send(ANN, chat_id, new)
        assert caught.value.code == code
    theirs = (await rig.chats.create(BOB))["id"]
    rig.registry.put_provider(custom("lab", "x", owner=BOB))
    with pytest.raises(NotFound, match="There is no file"):
        await rig.chats.send(BOB, theirs, NewMessage("hi", model="lab/x", attachments=(shot,)))
    assert (await rig.chats.get(ANN, chat))["messages"] == []


async def test_files_of_a_temporary_chat(rig: ChatRig) -> None:
    """The model gets them with every turn; the store never does; strangers get nothing."""
    chat = (await rig.chats.create(ANN, model="gpu/m", is_temporary=True))["id"]
    notes = await added(rig, "notes.md", b"# Secret" + b"x" * 500_000, is_temporary=True)
    shot = await added(rig, "s.png", PNG, is_temporary=True)
    await answered(rig, chat, "read", attachments=(notes, shot))
    await answered(rig, chat, "again")
    assert "# Secret" in str(rig.door.body()["messages"])
    assert "image_url" in str(rig.door.body()["messages"])
    assert await rig.store.files.owned_bytes(ANN.user_id) == 0
    record, content = await rig.chats.files.content(ANN, shot)
    assert (record.name, [part async for part in content]) == ("s.png", [PNG])
    assert (await rig.chats.files.text(ANN, notes)).startswith("# Secret")
    with pytest.raises(NotFound):
        await rig.chats.files.get(BOB, notes)
    await rig.chats.files.remove(ANN, notes)
    with pytest.raises(NotFound):
        await rig.chats.files.get(ANN, notes)
    await answered(rig, chat, "and now?")
    assert "it is not there any more" in str(rig.door.body()["messages"])
