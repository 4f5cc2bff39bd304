"""Shares: the transcript, for those who are named, as it was."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.chats import ChatRig, open_rig
from tests.fakes.registry import ANN, BOB
from tests.rig.waiting import eventually_async
from underpass.core.errors import InvalidRequest, NotFound
from underpass.core.principal import Principal
from underpass.store import UserRecord

EVE = Principal("usr_eve", "eve", is_admin=True)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service with a scripted door, and eve, who is an admin and is named by nobody."""
    async with open_rig(tmp_path) as rig:
        await rig.store.users.add(
            UserRecord(id="usr_eve", name="eve", display_name="Eve", created_at=1.0, is_admin=True)
        )
        yield rig


async def turn(rig: ChatRig, chat: str, content: str, **fields: Any) -> dict[str, Any]:
    """What sending said, once the answer is there."""
    sent = await rig.send(chat, content, **fields)
    (await rig.door.answer()).finish(f"A to {content}")
    await rig.stored(rig.run(sent["run"]["id"]))
    return sent


async def read(rig: ChatRig, share: str, caller: Principal = BOB) -> list[str]:
    """What somebody reads."""
    shown = await rig.chats.sharing.read(caller, share)
    return [message["content"] for message in shown["messages"]]


async def test_the_branch_as_it_is_now(rig: ChatRig) -> None:
    """Bob reads it, and hears nothing of what is written later, until the share is renewed."""
    chat = await rig.chat(title="For bob")
    first = await turn(rig, chat, "one")
    await turn(rig, chat, "private", parent_id=None)
    shared = await rig.chats.sharing.share(ANN, chat, ["Bob"], leaf_id=first["reply"]["id"])
    assert shared["users"] == ["bob"]
    assert shared["url"] == f"/shared/{shared['id']}"
    assert await read(rig, shared["id"]) == ["one", "A to one"]
    await turn(rig, chat, "later", parent_id=first["reply"]["id"])
    assert await read(rig, shared["id"]) == ["one", "A to one"]
    renewed = await rig.chats.sharing.share(ANN, chat, ["bob"])
    assert renewed["id"] == shared["id"]
    assert await read(rig, shared["id"]) == ["one", "A to one", "later", "A to later"]
    assert (await rig.chats.list_chats(ANN))["items"][0]["is_shared"]


async def test_an_answer_that_goes_on_later_stays_as_it_was(rig: ChatRig) -> None:
    """Continue writes into the same message, and not into the share."""
    chat = await rig.chat()
    sent = await rig.send(chat, "one")
    (await rig.door.answer()).say("half")
    run = rig.run(sent["run"]["id"])
    await eventually_async(lambda: run.log.position == 4)
    await rig.chats.runs.stop(ANN, run.id)
    await rig.stored(run)
    shared = await rig.chats.sharing.share(ANN, chat, ["bob"])
    before = await read(rig, shared["id"])
    assert before == ["one", "half"]
    again = await rig.chats.continue_answer(ANN, chat, sent["reply"]["id"])
    (await rig.door.answer()).finish(" secret")
    await rig.stored(rig.run(again["run"]["id"]))
    assert await read(rig, shared["id"]) == before


async def test_nothing_in_it_leads_to_a_tunnel(rig: ChatRig) -> None:
    """No provider, host, session, run, settings or system prompt."""
    chat = await rig.chat(settings={"system_prompt": "xyzzy"})
    await turn(rig, chat, "one")
    shared = await rig.chats.sharing.share(ANN, chat, ["bob"])
    shown = json.dumps(await rig.chats.sharing.read(BOB, shared["id"])).replace('"run_id"', "")
    for private in ("prv_", "tun_", "ses_", "node7", "run_", "req_", "xyzzy", "usr_"):
        assert private not in shown


async def test_strangers_meet_what_never_was(rig: ChatRig) -> None:
    """Admins too; in the same words; its owner reads it, but it is not in the owner's list."""
    chat = await rig.chat()
    await turn(rig, chat, "one")
    share = (await rig.chats.sharing.share(ANN, chat, ["bob"]))["id"]
    for caller, share_id in ((EVE, share), (BOB, "shr_none"), (BOB, chat)):
        with pytest.raises(NotFound) as caught:
            await rig.chats.sharing.read(caller, share_id)
        assert caught.value.message == f"There is no share '{share_id}'."
    assert await read(rig, share, ANN) == ["one", "A to one"]
    listed = [(await rig.chats.sharing.list(one))["items"] for one in (ANN, BOB, EVE)]
    assert [len(items) for items in listed] == [0, 1, 0]
    assert listed[1][0]["owner"] == "ann"
    for verb in (
        rig.chats.sharing.share(BOB, chat, ["eve"]),
        rig.chats.sharing.get(BOB, chat),
        rig.chats.sharing.stop(BOB, chat),
        rig.chats.get(BOB, chat),
        rig.chats.branches.fork(BOB, chat, "x"),
    ):
        with pytest.raises(NotFound, match="There is no chat"):
            await verb


async def test_it_stops(rig: ChatRig) -> None:
    """When it is ended, when somebody is no longer named, when the chat is deleted."""
    chat = await rig.chat()
    await turn(rig, chat, "one")
    share = (await rig.chats.sharing.share(ANN, chat, ["bob", "eve"]))["id"]
    await rig.chats.sharing.share(ANN, chat, ["eve"])
    with pytest.raises(NotFound):
        await read(rig, share)
    assert await read(rig, share, EVE)
    await rig.chats.delete(ANN, chat)
    for caller in (EVE, ANN):
        with pytest.raises(NotFound):
            await read(rig, share, caller)
    assert (await rig.chats.sharing.list(EVE))["items"] == []
    await rig.chats.restore(ANN, chat)
    assert await read(rig, share, EVE)
    await rig.chats.sharing.stop(ANN, chat)
    with pytest.raises(NotFound):
        await read(rig, share, EVE)
    with pytest.raises(NotFound, match="not shared"):
        await rig.chats.sharing.get(ANN, chat)
    assert not (await rig.chats.get(ANN, chat))["is_shared"]


async def test_a_message_that_is_deleted_is_gone_from_it(rig: ChatRig) -> None:
    """Whoever deletes something wants nobody to read it."""
    chat = await rig.chat()
    await turn(rig, chat, "one")
    second = await turn(rig, chat, "two")
    share = (await rig.chats.sharing.share(ANN, chat, ["bob"]))["id"]
    await rig.chats.branches.delete(ANN, chat, second["message"]["id"])
    assert await read(rig, share) == ["one", "A to one"]


async def test_an_answer_that_is_being_written(rig: ChatRig) -> None:
    """Is shared as far as it came, and says nothing of its run."""
    chat = await rig.chat()
    await rig.send(chat, "one")
    await rig.door.answer()
    share = (await rig.chats.sharing.share(ANN, chat, ["bob"]))["id"]
    reply = (await rig.chats.sharing.read(BOB, share))["messages"][-1]
    assert (reply["status"], reply["run_id"]) == ("stopped", None)


async def test_what_cannot_be_shared(rig: ChatRig) -> None:
    """Nobody, only oneself, somebody who is not there, an empty chat, a strange message."""
    chat = await rig.chat()
    with pytest.raises(InvalidRequest, match="nothing to share"):
        await rig.chats.sharing.share(ANN, chat, ["bob"])
    await turn(rig, chat, "one")
    for names in ([], ["ann"], ["bob", "nobody"], ["\x00"], [""]):
        with pytest.raises(InvalidRequest) as caught:
            await rig.chats.sharing.share(ANN, chat, names)
        assert caught.value.code == "user_unknown"
    with pytest.raises(NotFound):
        await rig.chats.sharing.share(ANN, chat, ["bob"], leaf_id="msg_none")
    with pytest.raises(NotFound):
        await rig.chats.sharing.get(ANN, chat)
