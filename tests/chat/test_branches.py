"""Branches: delete with all below, have back, fork."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.chats import ChatRig, open_rig
from tests.fakes.registry import ANN, BOB
from tests.rig.waiting import eventually_async
from underpass.chat import service as service_module
from underpass.core.errors import Conflict, NotFound


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service with a scripted door."""
    async with open_rig(tmp_path) as rig:
        yield rig


async def turn(rig: ChatRig, chat: str, content: str | None, **fields: Any) -> tuple[str, str]:
    """(question, answer) ids of a turn that is over."""
    sent = await rig.send(chat, content, **fields)
    (await rig.door.answer()).finish(f"A to {sent['message']['content']}")
    await rig.stored(rig.run(sent["run"]["id"]))
    return sent["message"]["id"], sent["reply"]["id"]


async def shown(rig: ChatRig, chat: str) -> tuple[list[str], str | None]:
    """(contents, head) of a chat as it is."""
    found = await rig.chats.get(ANN, chat)
    return [one["content"] for one in found["messages"]], found["head_id"]


async def test_a_message_goes_with_its_branch_and_comes_back(rig: ChatRig) -> None:
    """What stood beside it stays; the head moves to what is left, and back."""
    chat = await rig.chat()
    _, a1 = await turn(rig, chat, "one")
    q2, a2 = await turn(rig, chat, "two")
    edited, a3 = await turn(rig, chat, "two b", parent_id=a1)
    assert (await shown(rig, chat))[1] == a3
    await rig.chats.branches.delete(ANN, chat, edited)
    assert await shown(rig, chat) == (["one", "A to one", "two", "A to two"], a2)
    await rig.chats.branches.delete(ANN, chat, q2)
    assert await shown(rig, chat) == (["one", "A to one"], a1)
    back = await rig.chats.branches.restore(ANN, chat, edited)
    assert [one["content"] for one in back["items"]] == ["two b", "A to two b"]
    assert await shown(rig, chat) == (["one", "A to one", "two b", "A to two b"], a3)


async def test_what_was_deleted_is_not_sent(rig: ChatRig) -> None:
    """The next question goes under what is left."""
    chat = await rig.chat()
    await turn(rig, chat, "one")
    q2, _ = await turn(rig, chat, "two")
    await rig.chats.branches.delete(ANN, chat, q2)
    await turn(rig, chat, "three")
    asked = [one["content"] for one in rig.door.body()["messages"]]
    assert asked == ["one", "A to one", "three"]


async def test_what_was_deleted_earlier_stays_deleted(rig: ChatRig) -> None:
    """Only what went together comes back together, and never without what is above it."""
    chat = await rig.chat()
    q1, a1 = await turn(rig, chat, "one")
    q2, _ = await turn(rig, chat, "two")
    await rig.chats.branches.delete(ANN, chat, q2)
    await rig.chats.branches.delete(ANN, chat, q1)
    with pytest.raises(NotFound):
        await rig.chats.branches.restore(ANN, chat, "msg_none")
    with pytest.raises(Conflict, match="above it"):
        await rig.chats.branches.restore(ANN, chat, a1)
    await rig.chats.branches.restore(ANN, chat, q1)
    assert (await shown(rig, chat))[0] == ["one", "A to one"]
    await rig.chats.branches.restore(ANN, chat, q2)
    assert (await shown(rig, chat))[0] == ["one", "A to one", "two", "A to two"]


async def test_deleting_what_is_being_written_stops_it(rig: ChatRig) -> None:
    """The GPU is freed, and no page hears of the message after it heard that it is gone."""
    chat = await rig.chat()
    sent = await rig.send(chat, "one")
    answer = await rig.door.answer()
    answer.say("half")
    run = rig.run(sent["run"]["id"])
    await eventually_async(lambda: run.log.position == 4)
    watcher = rig.feed.watch(ANN.user_id)
    await rig.chats.branches.delete(ANN, chat, sent["message"]["id"])
    assert answer.cancelled == "stopped"
    await rig.stored(run)
    watcher.close()
    told = [(event.op, event.item) async for event in watcher if event.kind == "message"]
    assert told[-1] == (
        "delete",
        {"chat_id": chat, "removed": [sent["message"]["id"], sent["reply"]["id"]]},
    )
    assert await shown(rig, chat) == ([], None)
    await rig.chats.branches.restore(ANN, chat, sent["message"]["id"])
    assert (await shown(rig, chat))[0] == ["one", "half"]


async def test_deleted_messages_go_for_good(rig: ChatRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten minutes."""
    chat = await rig.chat()
    q1, _ = await turn(rig, chat, "one")
    await rig.chats.branches.delete(ANN, chat, q1)
    await rig.chats.tidy()
    assert len(await rig.store.messages.deleted_of_chat(chat)) == 2
    monkeypatch.setattr(service_module, "UNDO_S", -1.0)
    await rig.chats.tidy()
    assert await rig.store.messages.deleted_of_chat(chat) == ()
    with pytest.raises(NotFound, match="no deleted message"):
        await rig.chats.branches.restore(ANN, chat, q1)


async def test_a_fork_is_a_chat_of_its_own(rig: ChatRig) -> None:
    """With the branch up to one message; what happens in one is not seen in the other."""
    chat = await rig.chat(settings={"temperature": 0}, folder="Work")
    await turn(rig, chat, "one")
    _, a2 = await turn(rig, chat, "two")
    await turn(rig, chat, "three")
    fork = await rig.chats.branches.fork(ANN, chat, a2)
    assert fork["id"] != chat
    assert (fork["title"], fork["folder"], fork["settings"]) == ("one", "Work", {"temperature": 0})
    assert [one["content"] for one in fork["messages"]] == ["one", "A to one", "two", "A to two"]
    assert fork["head_id"] == fork["messages"][-1]["id"]
    await turn(rig, fork["id"], "other")
    asked = [one["content"] for one in rig.door.body()["messages"]]
    assert asked == ["one", "A to one", "two", "A to two", "other"]
    await rig.chats.delete(ANN, chat)
    assert len((await rig.chats.get(ANN, fork["id"]))["messages"]) == 6


async def test_a_fork_in_mid_answer(rig: ChatRig) -> None:
    """Has what was written until then, and can be continued."""
    chat = await rig.chat()
    sent = await rig.send(chat, "one")
    (await rig.door.answer()).say("half")
    run = rig.run(sent["run"]["id"])
    await eventually_async(lambda: run.log.position == 4)
    fork = await rig.chats.branches.fork(ANN, chat, sent["reply"]["id"])
    copy = fork["messages"][-1]
    assert (copy["content"], copy["status"], copy["run_id"]) == ("half", "stopped", None)
    assert run.ended_at is None


async def test_two_tabs_delete_the_same_message(rig: ChatRig) -> None:
    """One of them does it, the other is told that it is gone; nothing else is lost."""
    chat = await rig.chat()
    await turn(rig, chat, "one")
    q2, _ = await turn(rig, chat, "two")
    results = await asyncio.gather(
        *(rig.chats.branches.delete(ANN, chat, q2) for _ in range(2)), return_exceptions=True
    )
    assert all(result is None or isinstance(result, NotFound) for result in results)
    assert (await shown(rig, chat))[0] == ["one", "A to one"]


async def test_strangers(rig: ChatRig) -> None:
    """Another's chat, and a message of another chat, are not there."""
    chat, other = await rig.chat(), await rig.chat()
    q1, _ = await turn(rig, chat, "one")
    for caller, chat_id in ((BOB, chat), (ANN, other), (ANN, "cht_none")):
        for verb in (
            rig.chats.branches.delete(caller, chat_id, q1),
            rig.chats.branches.restore(caller, chat_id, q1),
            rig.chats.branches.fork(caller, chat_id, q1),
            rig.chats.continue_answer(caller, chat_id, q1),
        ):
            with pytest.raises(NotFound):
                await verb
    assert len((await rig.chats.get(ANN, chat))["messages"]) == 2
