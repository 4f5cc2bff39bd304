"""What other tabs hear, and what each chat says of itself."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.chats import ChatRig, open_rig
from tests.fakes.registry import ANN, BOB
from underpass.core.errors import NotFound


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service with a scripted door."""
    async with open_rig(tmp_path) as rig:
        yield rig


async def test_another_tab_hears_of_every_message(rig: ChatRig) -> None:
    """The question, the empty reply, and the reply when it ends; nobody else hears a word."""
    chat = await rig.chat()
    ann, bob = rig.feed.watch(ANN.user_id), rig.feed.watch(BOB.user_id)
    sent = await rig.send(chat, "one")
    (await rig.door.answer()).finish("two")
    await rig.stored(rig.run(sent["run"]["id"]))
    ann.close()
    bob.close()
    told: list[dict[str, Any]] = [event.item async for event in ann if event.kind == "message"]
    assert {item["chat_id"] for item in told} == {chat}
    assert [(item["message"]["content"], item["message"]["status"]) for item in told] == [
        ("one", "complete"),
        ("", "streaming"),
        ("two", "complete"),
    ]
    assert [event async for event in bob] == []


async def test_a_chat_follows_what_was_shown_last(rig: ChatRig) -> None:
    """Sending moves the head; a tab may set it, to a message of this chat only."""
    chat, other = await rig.chat(), await rig.chat()
    first = await rig.send(chat, "one")
    (await rig.door.answer()).finish("A1")
    await rig.stored(rig.run(first["run"]["id"]))
    second = await rig.send(chat, "one b", parent_id=None)
    (await rig.door.answer()).finish("A2")
    await rig.stored(rig.run(second["run"]["id"]))
    assert (await rig.chats.get(ANN, chat))["head_id"] == second["reply"]["id"]
    await rig.chats.update(ANN, chat, {"head_id": first["reply"]["id"]})
    third = await rig.send(chat, "two")
    assert third["message"]["parent_id"] == first["reply"]["id"]
    for chat_id in (other, chat):
        with pytest.raises(NotFound):
            await rig.chats.update(ANN, chat_id, {"head_id": first["message"]["id"] + "x"})
    with pytest.raises(NotFound):
        await rig.chats.update(ANN, other, {"head_id": first["message"]["id"]})
    await rig.chats.update(ANN, chat, {"head_id": None})
    assert (await rig.chats.get(ANN, chat))["head_id"] is None


async def test_folders_pins_and_archive(rig: ChatRig) -> None:
    """Pinned ones first, archived ones aside; a folder is there while a chat is in it."""
    one, two, three = [await rig.chat(title=name, folder="Work") for name in ("a", "b", "c")]
    await rig.chats.update(ANN, one, {"is_pinned": True})
    await rig.chats.update(ANN, two, {"is_archived": True})
    await rig.chats.update(ANN, three, {"folder": "  My   play "})

    async def ids(**scope: Any) -> list[str]:
        return [chat["id"] for chat in (await rig.chats.list_chats(ANN, **scope))["items"]]

    assert await ids() == [one, three]
    assert await ids(is_archived=True) == [two]
    assert await ids(is_archived=None) == [one, three, two]
    assert await ids(folder="Work", is_archived=None) == [one, two]
    assert (await rig.chats.list_folders(ANN))["items"] == [
        {"name": "My play", "chats": 1},
        {"name": "Work", "chats": 1},
    ]
    assert (await rig.chats.list_folders(BOB))["items"] == []
    await rig.chats.update(ANN, three, {"folder": ""})
    await rig.chats.update(ANN, two, {"is_archived": False})
    assert (await rig.chats.list_folders(ANN))["items"] == [{"name": "Work", "chats": 2}]


async def test_search_says_where(rig: ChatRig) -> None:
    """In the title or in a message, with the words marked."""
    chat = await rig.chat(title="About foxes")
    sent = await rig.send(chat, "The quick brown fox")
    (await rig.door.answer()).finish("jumps")
    await rig.stored(rig.run(sent["run"]["id"]))
    (found,) = (await rig.chats.list_chats(ANN, words="fox"))["items"]
    assert found["match"] == {"message_id": None, "text": "About foxes", "spans": [[6, 9]]}
    (found,) = (await rig.chats.list_chats(ANN, words="Quick fo"))["items"]
    assert found["match"] == {
        "message_id": sent["message"]["id"],
        "text": "The quick brown fox",
        "spans": [[4, 9], [16, 18]],
    }
    (found,) = (await rig.chats.list_chats(ANN, words="jumps"))["items"]
    assert found["match"]["message_id"] == sent["reply"]["id"]
    assert "match" not in (await rig.chats.list_chats(ANN, words=" "))["items"][0]
    assert (await rig.chats.list_chats(ANN, words="!?"))["items"] == []
    assert (await rig.chats.list_chats(BOB, words="fox"))["items"] == []
