"""The writer: one transaction for all runs, and never one per token."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.chats import ChatRig, open_rig
from tests.rig.waiting import eventually_async
from underpass.chat import writer as writer_module
from underpass.chat.pieces import Piece, PieceKind
from underpass.chat.writer import MAX_UNSTORED, piece_of
from underpass.store import RunEventRecord


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service with a scripted door."""
    async with open_rig(tmp_path) as rig:
        yield rig


async def test_many_runs_share_a_transaction(rig: ChatRig) -> None:
    """Ten runs with a hundred tokens each cost a handful of transactions."""
    asked = [await rig.ask() for _ in range(10)]
    before = rig.chats.runs.writer.transactions
    for _ in range(100):
        for _, answer in asked:
            answer.say("word ")
        await asyncio.sleep(0)
    await eventually_async(lambda: all(run.stored_position == 500 for run, _ in asked))
    assert rig.chats.runs.writer.transactions - before <= 4
    for run, answer in asked:
        events = await rig.store.run_events.after(run.id)
        assert "".join(event.data["text"] for event in events) == "word " * 100
        assert (await rig.store.runs.get(run.id)).stored_seq == 500
        answer.finish()


async def test_text_is_stored_within_half_a_second(rig: ChatRig) -> None:
    """A hub that is killed loses no more than that."""
    run, answer = await rig.ask()
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer.say("x")
    await eventually_async(lambda: run.stored_position == 1)
    assert loop.time() - began < 1.0
    answer.finish()


async def test_a_bug_does_not_end_the_storing(
    rig: ChatRig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong once is tried again, and the log says no word of the text."""
    monkeypatch.setattr(writer_module, "RETRY_S", 0.01)
    real = rig.store.answers.append

    async def failing(*args: object, **more: object) -> set[str]:
        monkeypatch.setattr(rig.store.answers, "append", real)
        raise RuntimeError("secret words")

    monkeypatch.setattr(rig.store.answers, "append", failing)
    run, answer = await rig.ask()
    answer.say("secret words")
    await eventually_async(lambda: run.stored_position == 12)
    answer.finish()
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


async def test_a_lot_of_text_is_stored_at_once(
    rig: ChatRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 KiB do not wait for the half second."""
    rig.chats.runs.writer._interval_s = 60.0
    run, answer = await rig.ask()
    answer.say("x" * MAX_UNSTORED)
    await eventually_async(lambda: run.stored_position == MAX_UNSTORED, within_s=5)
    answer.finish()


async def test_silent_runs_have_a_heartbeat(rig: ChatRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another hub can tell a run that thinks from one that has lost its hub."""
    run, answer = await rig.ask()
    await rig.store.runs.update(run.id, heartbeat_at=1.0)
    monkeypatch.setattr(writer_module, "HEARTBEAT_S", 0.0)
    await rig.chats.runs.writer.flush()
    assert (await rig.store.runs.get(run.id)).heartbeat_at > 1.0
    answer.finish()


async def test_a_removed_chat_does_not_spoil_the_batch(rig: ChatRig) -> None:
    """The others are stored all the same."""
    gone, gone_answer = await rig.ask()
    kept, kept_answer = await rig.ask()
    await rig.store.chats.remove(gone.record.chat_id)
    gone_answer.say("a")
    kept_answer.say("b")
    await eventually_async(lambda: kept.stored_position == 1)
    events = await rig.store.run_events.after(kept.id)
    assert [event.data for event in events] == [{"text": "b"}]
    gone_answer.finish()
    kept_answer.finish()
    await rig.stored(gone)


async def test_a_batch_may_come_twice(rig: ChatRig) -> None:
    """When nobody knows whether the first one went through, the second puts it right."""
    run, answer = await rig.ask()
    answer.say("ab")
    await eventually_async(lambda: run.stored_position == 2)
    run.stored_position = 0
    answer.say("cd")
    await eventually_async(lambda: run.stored_position == 4)
    events = await rig.store.run_events.after(run.id)
    assert "".join(event.data["text"] for event in events) == "abcd"
    answer.finish()


async def test_what_was_said_is_stored_at_the_stop(tmp_path: Path) -> None:
    """An orderly stop of the hub loses not a letter."""
    async with open_rig(tmp_path) as rig:
        rig.chats.runs.writer._interval_s = 60.0
        run, answer = await rig.ask()
        answer.say("last words")
        await eventually_async(lambda: run.log.position == 10)
    async with open_rig(tmp_path) as rig:
        events = await rig.store.run_events.after(run.id)
        assert [event.data for event in events] == [{"text": "last words"}]


def test_pieces_come_back_as_they_were() -> None:
    """Text, reasoning and tool-call deltas."""
    assert piece_of(RunEventRecord("r", 2, "text", {"text": "ab"})) == Piece(PieceKind.TEXT, "ab")
    call = {"index": 0, "function": {"name": "f"}}
    assert piece_of(RunEventRecord("r", 3, "tool", call)) == Piece(PieceKind.TOOL, tool=call)
