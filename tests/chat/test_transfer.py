"""Chats out of the hub and in again."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.chats import ChatRig, open_rig
from tests.fakes.registry import ANN, BOB
from underpass.core.errors import InvalidRequest, NotFound, StorageError


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service with a scripted door."""
    async with open_rig(tmp_path) as rig:
        yield rig


async def turn(rig: ChatRig, chat: str, content: str, **fields: Any) -> dict[str, Any]:
    """What sending said, once the answer is there."""
    sent = await rig.send(chat, content, **fields)
    (await rig.door.answer()).finish(f"A to {content}", completion_tokens=3)
    await rig.stored(rig.run(sent["run"]["id"]))
    return sent


def tree(messages: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What has to survive: the words, their order, and what stands under what."""
    places = {message["id"]: place for place, message in enumerate(messages)}
    return [
        (
            *(message[name] for name in ("role", "content", "status", "model", "usage")),
            *(message["finish_reason"], message["created_at"]),
            places.get(message["parent_id"]),
        )
        for message in messages
    ]


async def whole(rig: ChatRig) -> str:
    """A chat with two branches."""
    chat = await rig.chat(title="Zwei Äste", folder="Bäume")
    first = await turn(rig, chat, "one")
    await turn(rig, chat, "two")
    await turn(rig, chat, "two b", parent_id=first["reply"]["id"])
    return chat


async def test_json_there_and_back(rig: ChatRig) -> None:
    """The whole tree, for somebody else too; the copy can be gone on with."""
    chat = await whole(rig)
    file = await rig.chats.transfer.export(ANN, chat, is_markdown=False)
    assert file.media_type == "application/json"
    (copy,) = (await rig.chats.transfer.import_chats(BOB, file.content, is_markdown=False))["items"]
    before, after = await rig.chats.get(ANN, chat), await rig.chats.get(BOB, copy["id"])
    assert tree(after["messages"]) == tree(before["messages"])
    assert (after["title"], after["folder"]) == ("Zwei Äste", "Bäume")
    assert after["head_id"] == after["messages"][-1]["id"]
    found = await rig.chats.list_chats(BOB, words="two")
    assert [one["id"] for one in found["items"]] == [copy["id"]]


async def test_markdown_there_and_back(rig: ChatRig) -> None:
    """The branch that was shown last, or the one that is asked for."""
    chat = await whole(rig)
    file = await rig.chats.transfer.export(ANN, chat, is_markdown=True)
    (copy,) = (await rig.chats.transfer.import_chats(ANN, file.content, is_markdown=True))["items"]
    shown = await rig.chats.get(ANN, copy["id"])
    assert [one["content"] for one in shown["messages"]] == [
        *("one", "A to one", "two b", "A to two b"),
    ]
    await turn(rig, copy["id"], "three")
    assert len(rig.door.body()["messages"]) == 5
    leaf = (await rig.chats.get(ANN, chat))["messages"][3]["id"]
    other = await rig.chats.transfer.export(ANN, chat, is_markdown=True, leaf_id=leaf)
    assert b"A to two\n" in other.content
    assert b"two b" not in other.content
    branch = await rig.chats.transfer.export(ANN, chat, is_markdown=False, leaf_id=leaf)
    assert len(json.loads(branch.content)["chats"][0]["messages"]) == 4


async def test_all_chats_at_once(rig: ChatRig) -> None:
    """One document, archived ones too, nobody else's, and it can be imported."""
    await whole(rig)
    archived = await rig.chat(title="Old")
    await rig.chats.update(ANN, archived, {"is_archived": True, "is_pinned": True})
    await rig.chats.create(BOB, title="Bob's")
    body = b"".join([part async for part in rig.chats.transfer.export_all(ANN)])
    titles = [chat["title"] for chat in json.loads(body)["chats"]]
    assert titles == ["Old", "Zwei Äste"]
    imported = await rig.chats.transfer.import_chats(BOB, body, is_markdown=False)
    assert [(one["title"], one["is_archived"], one["is_pinned"]) for one in imported["items"]] == [
        ("Old", True, True),
        ("Zwei Äste", False, False),
    ]
    nothing = b"".join([part async for part in rig.chats.transfer.export_all(ANN)])
    assert len(json.loads(nothing)["chats"]) == 2


async def test_all_or_none(rig: ChatRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is wrong, and a disk that is full, leave nothing behind."""
    body = b"".join([part async for part in rig.chats.transfer.export_all(ANN)])
    for bad in (body[:-3], b"\xff\xfe", b"", b"# Notes"):
        for is_markdown in (False, True):
            with pytest.raises(InvalidRequest) as caught:
                await rig.chats.transfer.import_chats(ANN, bad, is_markdown=is_markdown)
            assert caught.value.code == "import_unreadable"
    await whole(rig)
    await rig.chat(title="Second")
    body = b"".join([part async for part in rig.chats.transfer.export_all(ANN)])
    add, count = rig.store.messages.add_chats, 0

    async def full(chats: Any) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise StorageError("The disk is full.")
        await add(chats)

    monkeypatch.setattr(rig.store.messages, "add_chats", full)
    with pytest.raises(StorageError):
        await rig.chats.transfer.import_chats(BOB, body, is_markdown=False)
    assert (await rig.chats.list_chats(BOB))["items"] == []


async def test_strangers(rig: ChatRig) -> None:
    """Nobody exports another's chat, or names a message that is not in theirs."""
    chat = await whole(rig)
    with pytest.raises(NotFound):
        await rig.chats.transfer.export(BOB, chat, is_markdown=True)
    for is_markdown in (True, False):
        with pytest.raises(NotFound):
            await rig.chats.transfer.export(ANN, chat, is_markdown=is_markdown, leaf_id="msg_x")
