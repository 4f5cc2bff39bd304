"""Temporary chats: everything works in them, and nothing of them is anywhere."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.chats import ChatRig, open_rig, text_of
from tests.fakes.registry import ANN, BOB
from tests.rig.waiting import eventually_async
from underpass.chat import shelves
from underpass.chat.shelves import Memory
from underpass.core.clock import FakeClock
from underpass.core.errors import InvalidRequest, NotFound, TooLarge, TooMany
from underpass.core.states import MessageStatus
from underpass.store import ChatRecord, MessageRecord


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service with a scripted door."""
    async with open_rig(tmp_path) as rig:
        yield rig


async def turn(rig: ChatRig, chat: str, content: str | None, **fields: Any) -> dict[str, Any]:
    """What sending said, once the answer is there."""
    sent = await rig.send(chat, content, **fields)
    (await rig.door.answer()).finish("xyzzy-answer")
    await rig.stored(rig.run(sent["run"]["id"]))
    return sent


def found_on_disk(folder: Path, needle: bytes) -> list[Path]:
    """The files below a folder that hold these bytes."""
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


async def test_nothing_of_it_is_on_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the database, its log, or beside them; the same words of a normal chat are."""
    caplog.set_level("DEBUG")
    async with open_rig(tmp_path) as rig:
        chat = await rig.chat(
            is_temporary=True, title="xyzzy-title", settings={"system_prompt": "xyzzy-prompt"}
        )
        sent = await turn(rig, chat, "xyzzy-question")
        await rig.chats.update(ANN, chat, {"folder": "xyzzy-folder"})
        await rig.chats.runs.writer.flush()
        assert found_on_disk(tmp_path, b"xyzzy") == []
        assert found_on_disk(tmp_path, chat.encode()) == []
        assert found_on_disk(tmp_path, sent["run"]["id"].encode()) == []
    assert found_on_disk(tmp_path, b"xyzzy") == []
    assert "xyzzy" not in caplog.text
    async with open_rig(tmp_path) as rig:
        with pytest.raises(NotFound):
            await rig.chats.get(ANN, chat)
        await turn(rig, await rig.chat(), "xyzzy-question")
    assert found_on_disk(tmp_path, b"xyzzy-question")


async def test_it_works_like_any_other(rig: ChatRig) -> None:
    """Send, edit, answer again, continue, delete, restore, fork, export."""
    chat = await rig.chat(is_temporary=True)
    first = await turn(rig, chat, "one")
    await turn(rig, chat, "two")
    await turn(rig, chat, "two b", parent_id=first["reply"]["id"])
    await turn(rig, chat, None, parent_id=first["message"]["id"])
    shown = await rig.chats.get(ANN, chat)
    assert shown["is_temporary"]
    assert (shown["title"], len(shown["messages"])) == ("one", 7)
    assert {one["status"] for one in shown["messages"]} == {"complete"}
    await rig.chats.branches.delete(ANN, chat, first["message"]["id"])
    assert (await rig.chats.get(ANN, chat))["messages"] == []
    await rig.chats.branches.restore(ANN, chat, first["message"]["id"])
    assert len((await rig.chats.get(ANN, chat))["messages"]) == 7
    fork = await rig.chats.branches.fork(ANN, chat, first["reply"]["id"])
    assert fork["is_temporary"]
    assert await rig.store.chats.find(fork["id"]) is None
    file = await rig.chats.transfer.export(ANN, chat, is_markdown=True)
    assert b"xyzzy-answer" in file.content
    with pytest.raises(InvalidRequest, match="stored nowhere"):
        await rig.chats.sharing.share(ANN, chat, ["bob"])


async def test_its_runs_can_be_watched_stopped_and_continued(rig: ChatRig) -> None:
    """Also long after they ended, and their owner alone meets them."""
    chat = await rig.chat(is_temporary=True)
    sent = await rig.send(chat, "one")
    run = rig.run(sent["run"]["id"])
    answer = await rig.door.answer()
    answer.say("half")
    await eventually_async(lambda: run.log.position == 4)
    await rig.chats.runs.stop(ANN, run.id)
    await rig.stored(run)
    assert answer.cancelled == "stopped"
    rig.chats.runs._runs.clear()
    assert text_of(await rig.events(run.id)) == "half"
    with pytest.raises(NotFound):
        await rig.chats.runs.get(BOB, run.id)
    again = await rig.chats.continue_answer(ANN, chat, sent["reply"]["id"])
    (await rig.door.answer()).finish(" and whole")
    await rig.stored(rig.run(again["run"]["id"]))
    reply = (await rig.chats.get(ANN, chat))["messages"][-1]
    assert (reply["content"], reply["continued_chars"]) == ("half and whole", 4)
    assert await rig.store.runs.find(again["run"]["id"]) is None


async def test_it_is_listed_nowhere(rig: ChatRig) -> None:
    """Not in the list, the folders, the search, the export of all, or another tab's sidebar."""
    watcher = rig.feed.watch(ANN.user_id)
    chat = await rig.chat(is_temporary=True, title="secret", folder="Secret")
    await turn(rig, chat, "secret words")
    watcher.close()
    kinds = {event.kind async for event in watcher}
    assert kinds == {"run", "message"}
    assert (await rig.chats.list_chats(ANN))["items"] == []
    assert (await rig.chats.list_chats(ANN, words="secret"))["items"] == []
    assert (await rig.chats.list_folders(ANN))["items"] == []
    everything = b"".join([part async for part in rig.chats.transfer.export_all(ANN)])
    assert b"secret" not in everything
    with pytest.raises(NotFound):
        await rig.chats.get(BOB, chat)


async def test_it_is_gone_on_delete(rig: ChatRig) -> None:
    """For good, and what runs in it is stopped."""
    chat = await rig.chat(is_temporary=True)
    sent = await rig.send(chat, "one")
    answer = await rig.door.answer()
    await rig.chats.delete(ANN, chat)
    await rig.stored(rig.run(sent["run"]["id"]))
    assert answer.cancelled == "stopped"
    for verb in (rig.chats.get(ANN, chat), rig.chats.restore(ANN, chat)):
        with pytest.raises(NotFound):
            await verb


def temporary(number: int, owner: str = "usr_1") -> ChatRecord:
    """A chat."""
    return ChatRecord(id=f"cht_{number}", owner_id=owner, created_at=1.0, updated_at=1.0)


async def test_it_goes_after_an_hour_without_use() -> None:
    """Each use gives it another hour; one that is being written in stays."""
    clock = FakeClock()
    memory = Memory(clock)
    for number in range(3):
        await memory.add(temporary(number))
    streaming = MessageRecord(
        id="m", chat_id="cht_2", role="assistant", created_at=1.0, status=MessageStatus.STREAMING
    )
    memory._kept["cht_2"].messages["m"] = streaming
    clock.advance(shelves.TEMPORARY_S - 1)
    assert memory.find("cht_0") is not None
    clock.advance(2)
    memory.tidy()
    assert [memory.holds(f"cht_{number}") for number in range(3)] == [True, False, True]


async def test_it_is_bounded(rig: ChatRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """In number for each user, and in size."""
    monkeypatch.setattr(shelves, "MAX_TEMPORARY", 1)
    monkeypatch.setattr(shelves, "MAX_TEMPORARY_CHARS", 10)
    chat = await rig.chat(is_temporary=True)
    with pytest.raises(TooMany):
        await rig.chat(is_temporary=True)
    await rig.chats.create(BOB, is_temporary=True)
    with pytest.raises(TooLarge):
        await rig.send(chat, "x" * 11)
    monkeypatch.setattr(shelves, "MAX_ALL_TEMPORARY_CHARS", 5)
    with pytest.raises(TooMany, match="memory"):
        await rig.send(chat, "x" * 6)
    assert rig.door.requests == []
