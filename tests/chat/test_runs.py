"""The engine: many watchers, owners only, and what a killed hub left."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.answers import DONE, delta, event
from tests.fakes.chats import ChatRig, open_rig, text_of
from tests.fakes.registry import ANN, BOB, tunnel
from tests.rig.waiting import eventually_async
from underpass.chat import places as places_module
from underpass.chat import runs as runs_module
from underpass.core.errors import Conflict, ModelNotFound, NotFound, StreamReset, TunnelError
from underpass.core.principal import Principal
from underpass.core.states import MessageStatus
from underpass.store import RunRecord
from underpass.tunnel.link import OpenHead, Stream

ADMIN = Principal("usr_root", "root", is_admin=True)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service with a scripted door."""
    async with open_rig(tmp_path) as rig:
        yield rig


async def test_all_watchers_see_the_same_run(rig: ChatRig) -> None:
    """A tab from the start, one that joins late, and one that comes back with its position."""
    run, answer = await rig.ask()
    first = asyncio.create_task(rig.events(run.id))
    answer.say("Hello", " wor")
    await eventually_async(lambda: run.log.position == 9)
    late = asyncio.create_task(rig.events(run.id))
    back = asyncio.create_task(rig.events(run.id, 5))
    answer.finish("ld")
    seen = await asyncio.gather(first, late, back)
    assert [text_of(events) for events in seen] == ["Hello world", "Hello world", " world"]
    ends = [events[-1] for events in seen]
    assert ends[0] == ends[1] == ends[2]
    assert ends[0].data["message"]["content"] == "Hello world"


async def test_watching_a_run_of_long_ago(rig: ChatRig) -> None:
    """From its message: the whole answer and the end, at the same positions."""
    run, answer = await rig.ask()
    answer.send(delta(reasoning="hm"))
    answer.send(delta(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{}"}}]))
    answer.finish("Yes")
    live = await rig.events(run.id)
    await rig.stored(run)
    rig.chats.runs._runs.clear()
    later = await rig.events(run.id)
    assert text_of(later) == "Yes"
    assert later[-1] == live[-1]
    assert text_of(await rig.events(run.id, 3)) == "es"


async def test_only_the_owner_meets_a_run(rig: ChatRig) -> None:
    """To others, and to admins, it is the same as one that never was."""
    run, answer = await rig.ask()
    for caller in (BOB, ADMIN):
        for verb in (
            rig.chats.runs.get(caller, run.id),
            rig.chats.runs.stop(caller, run.id),
            rig.chats.runs.watch(caller, run.id, 0),
        ):
            with pytest.raises(NotFound, match="There is no run"):
                await verb
    with pytest.raises(NotFound, match="There is no run"):
        await rig.chats.runs.get(ANN, "run_none")
    assert answer.cancelled is None


async def test_a_deleted_chat_stops_its_run(rig: ChatRig) -> None:
    """Nobody will read it: the GPU is freed."""
    run, answer = await rig.ask()
    answer.say("a")
    await eventually_async(lambda: run.log.position == 1)
    await rig.chats.delete(ANN, run.record.chat_id)
    await rig.stored(run)
    assert answer.cancelled == "stopped"
    assert run.record.status is MessageStatus.STOPPED


async def test_changes_are_pushed_without_content(rig: ChatRig) -> None:
    """Every open page hears that a run began and how it ended; bob's hears nothing."""
    ann, bob = rig.feed.watch(ANN.user_id), rig.feed.watch(BOB.user_id)
    run, answer = await rig.ask("secret question")
    answer.finish("secret answer")
    await rig.stored(run)
    ann.close()
    bob.close()
    told = [event async for event in ann]
    statuses = [event.item["status"] for event in told if event.kind == "run"]
    assert statuses == ["streaming", "complete"]
    runs = [event for event in told if event.kind == "run"]
    assert "secret" not in repr(runs)
    assert [event async for event in bob] == []


async def test_tidy_forgets_what_is_over(rig: ChatRig) -> None:
    """An ended run leaves memory a minute later, if it is stored and nobody watches."""
    run, answer = await rig.ask()
    answer.finish("x")
    await rig.stored(run)
    await rig.chats.runs.tidy()
    assert rig.chats.runs.held(run.id) is run
    assert run.ended_at is not None
    run.ended_at -= runs_module.LINGER_S + 1
    await rig.chats.runs.tidy()
    assert rig.chats.runs.held(run.id) is None


# --- a hub that was killed -------------------------------------------------------------------


class KeptStream:
    """An answer that an agent kept, from its first byte."""

    def __init__(self, request_id: str, *parts: bytes | TunnelError) -> None:
        self.request_id = request_id
        self.parts = list(parts)
        self.cancelled: str | None = None
        self.is_released = False

    async def read(self) -> bytes:
        """The next part; b"" after the last."""
        await asyncio.sleep(0)
        part = self.parts.pop(0) if self.parts else b""
        if isinstance(part, TunnelError):
            raise part
        return part

    def cancel(self, reason: str) -> None:
        """Notes the cancel."""
        self.cancelled = reason

    def release(self) -> None:
        """Notes that the answer is stored."""
        self.is_released = True


async def killed_hub(path: Path) -> tuple[str, str, str]:
    """(run, message, request) ids of a run whose hub went away in mid-answer."""
    async with open_rig(path) as rig:
        run, answer = await rig.ask()
        answer.send(delta(reasoning="hm"))
        answer.say("Hello", " wor")
        await eventually_async(lambda: run.log.position == 11)
    assert answer.cancelled is None
    return run.id, run.record.message_id, run.record.request_id


async def test_a_run_whose_answer_is_gone_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text is kept, and the message says what happened."""
    monkeypatch.setattr(runs_module, "ADOPT_S", 0.05)
    run_id, message_id, _ = await killed_hub(tmp_path)
    async with open_rig(tmp_path) as rig:
        await rig.stored(rig.run(run_id))
        message = await rig.store.messages.get(message_id)
        assert (message.content, message.reasoning) == ("Hello wor", "hm")
        assert message.status is MessageStatus.INTERRUPTED
        assert message.error is not None
        assert message.error["code"] == "hub_restarted"
        assert await rig.store.run_events.after(run_id) == ()
        assert await rig.store.runs.unfinished() == ()


async def test_a_run_goes_on_where_the_agent_kept_its_answer(tmp_path: Path) -> None:
    """Nothing is missing and nothing is doubled, for those who come back with a position too."""
    run_id, message_id, request_id = await killed_hub(tmp_path)
    async with open_rig(tmp_path) as rig:
        run = rig.run(run_id)
        assert rig.chats.runs.adoptable("ses_gpu") == {request_id: 0}
        assert rig.chats.runs.adoptable("ses_other") == {}
        chat = await rig.chats.get(ANN, run.record.chat_id)
        assert chat["messages"][-1]["content"] == "Hello wor"
        assert chat["messages"][-1]["status"] == "streaming"
        back = asyncio.create_task(rig.events(run_id, 7))
        ahead = asyncio.create_task(rig.events(run_id, 12))  # saw one letter more than was stored
        await asyncio.sleep(0.01)
        whole = delta(reasoning="hm") + delta(content="Hello wo") + delta(content="rld!")
        whole += delta("stop") + event({"choices": [], "usage": {"completion_tokens": 4}}) + DONE
        stream = KeptStream(request_id, whole[:100], whole[100:333], whole[333:])
        rig.chats.runs.adopt(stream)
        assert text_of(await back) == " world!"
        assert text_of(await ahead) == "d!"
        await rig.stored(run)
        message = await rig.store.messages.get(message_id)
        assert (message.content, message.reasoning) == ("Hello world!", "hm")
        assert (message.status, message.finish_reason) == (MessageStatus.COMPLETE, "stop")
        assert message.usage == {"completion_tokens": 4}
        assert stream.is_released
        assert rig.chats.runs.adoptable("ses_gpu") == {}


async def test_an_adopted_run_whose_tunnel_is_lost_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted, with all that came."""
    monkeypatch.setattr(places_module, "NEWS_S", 0.01)
    run_id, message_id, request_id = await killed_hub(tmp_path)
    async with open_rig(tmp_path) as rig:
        whole = delta(reasoning="hm") + delta(content="Hello world")
        rig.chats.runs.adopt(KeptStream(request_id, whole, StreamReset("gone")))
        await rig.stored(rig.run(run_id))
        message = await rig.store.messages.get(message_id)
        assert (message.content, message.status) == ("Hello world", MessageStatus.INTERRUPTED)


async def test_an_agent_that_is_back_without_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then there is nothing to wait for any longer."""
    monkeypatch.setattr(runs_module, "ADOPT_BACK_S", 0.01)
    run_id, *_ = await killed_hub(tmp_path)

    class Up:
        """A link that is connected."""

        is_up = True

        async def open(self, head: OpenHead) -> Stream:
            """Not used here."""
            raise AssertionError

    async with open_rig(tmp_path) as rig:
        rig.registry.bind_tunnel("tun_ann_gpu", Up())
        await rig.stored(rig.run(run_id))
        assert rig.run(run_id).record.status is MessageStatus.INTERRUPTED


async def test_stop_works_while_the_agent_is_awaited(tmp_path: Path) -> None:
    """And the answer that comes then is not wanted any more."""
    run_id, _, request_id = await killed_hub(tmp_path)
    async with open_rig(tmp_path) as rig:
        record = await rig.chats.runs.stop(ANN, run_id)
        assert record.status is MessageStatus.STOPPED
        stream = KeptStream(request_id)
        rig.chats.runs.adopt(stream)
        assert stream.cancelled == "gone"


async def test_a_waiting_run_outlives_its_hub(tmp_path: Path) -> None:
    """It goes on waiting, and asks what it was to ask once the provider runs."""
    async with open_rig(tmp_path) as rig:
        rig.registry.put_provider(tunnel("gpu", "m", status="stopped"))
        chat = await rig.chat(settings={"temperature": 0})
        sent = await rig.send(chat, "are you there?")
    async with open_rig(tmp_path) as rig:
        # What the rig puts into its registry runs; a hub's tunnels come back one by one.
        answer = await rig.door.answer()
        run = rig.run(sent["run"]["id"])
        body = rig.door.body()
        assert (body["messages"], body["temperature"]) == (
            [{"role": "user", "content": "are you there?"}],
            0,
        )
        answer.finish("I am.")
        await rig.stored(run)
        message = await rig.store.messages.get(run.record.message_id)
        assert (message.content, message.status) == ("I am.", MessageStatus.COMPLETE)
        assert (message.waiting, (await rig.store.runs.get(run.id)).asked) == (None, None)


async def test_a_run_that_has_asked_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Having waited before or not: its agent may be at the answer already."""
    monkeypatch.setattr(runs_module, "ADOPT_S", 0.05)
    async with open_rig(tmp_path) as rig:
        rig.registry.put_provider(tunnel("gpu", "m", status="loading"))
        sent = await rig.send(await rig.chat())
        assert (await rig.store.runs.get(sent["run"]["id"])).asked is not None
        rig.registry.put_provider(tunnel("gpu", "m"))
        await rig.door.answer()
        assert (await rig.store.runs.get(sent["run"]["id"])).asked is None
    async with open_rig(tmp_path) as rig:
        run = rig.run(sent["run"]["id"])
        await rig.stored(run)
        assert run.record.status is MessageStatus.INTERRUPTED
        assert rig.door.requests == []


async def test_a_waiting_run_of_somebody_who_may_not_sign_in_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asks nothing."""
    async with open_rig(tmp_path) as rig:
        rig.registry.put_provider(tunnel("gpu", "m", status="loading"))
        sent = await rig.send(await rig.chat())
        await rig.store.users.update(ANN.user_id, is_disabled=True)
    async with open_rig(tmp_path) as rig:
        run = rig.run(sent["run"]["id"])
        await rig.stored(run)
        assert run.record.status is MessageStatus.INTERRUPTED
        assert rig.door.requests == []


async def test_a_waiting_run_can_be_moved(rig: ChatRig) -> None:
    """To a model that runs, which answers at once; strangers' runs and models are not there."""
    rig.registry.put_provider(tunnel("gpu", "m", status="stopped"))
    rig.registry.put_provider(tunnel("box", "q"))
    rig.registry.put_provider(tunnel("slow", "s", status="loading", reason="10 %."))
    sent = await rig.send(await rig.chat(), "hi")
    run = rig.run(sent["run"]["id"])
    runs = rig.chats.runs
    with pytest.raises(ModelNotFound):
        await runs.move(ANN, run.id, "box/none")
    with pytest.raises(NotFound, match="There is no run"):
        await runs.move(BOB, run.id, "box/q")
    moved = await runs.move(ANN, run.id, "slow/s")
    assert (moved.model, moved.status) == ("slow/s", MessageStatus.WAITING)
    assert run.log.status["waiting"]["provider_name"] == "slow"
    stored = await rig.store.runs.get(run.id)
    assert (stored.model, stored.asked is not None) == ("slow/s", True)
    assert (await runs.move(ANN, run.id, "q")).model == "box/q"
    answer = await rig.door.answer()
    assert rig.door.body()["model"] == "box/q"
    with pytest.raises(Conflict) as caught:
        await runs.move(ANN, run.id, "slow/s")
    assert caught.value.code == "run_not_waiting"
    answer.finish("here")
    await rig.stored(run)
    message = await rig.store.messages.get(run.record.message_id)
    assert (message.model, message.content) == ("box/q", "here")
    assert message.provider is not None
    assert message.provider["name"] == "box"


async def test_a_run_that_is_just_beginning_is_nobodys_orphan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tidying in the moment between its storing and its start does not take it up a second time."""
    async with open_rig(tmp_path) as rig:
        begin = rig.store.answers.begin

        async def tidied(*args: Any) -> None:
            await begin(*args)
            await rig.chats.runs.tidy()
            assert rig.chats.runs.active() == []

        monkeypatch.setattr(rig.store.answers, "begin", tidied)
        run, answer = await rig.ask()
        answer.finish("Hello.")
        await rig.stored(run)
        message = await rig.store.messages.get(run.record.message_id)
        assert (message.status, message.content) == (MessageStatus.COMPLETE, "Hello.")


async def test_runs_of_a_living_hub_are_left_alone(tmp_path: Path) -> None:
    """Where several hubs share a store, only what has no heartbeat is taken up."""
    run_id, *_ = await killed_hub(tmp_path)
    async with open_rig(tmp_path) as rig:
        await rig.chats.runs.stop(ANN, run_id)
        run, _ = await rig.ask()
        rig.chats.runs._runs.pop(run.id)
        rig.chats.runs._orphan_s = runs_module.ORPHAN_S
        await rig.chats.runs.tidy()
        assert rig.chats.runs.held(run.id) is None
        long_ago = run.record.heartbeat_at - runs_module.ORPHAN_S - 1
        await rig.store.runs.update(run.id, heartbeat_at=long_ago)
        await rig.chats.runs.tidy()
        assert rig.chats.runs.held(run.id) is not None
        await run.leave()


async def test_of_two_hubs_that_look_at_once_one_takes_a_run_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both saw that it has no heartbeat; the second to claim it leaves it, or it would be asked
    and written twice."""
    async with open_rig(tmp_path) as rig:
        run, _ = await rig.ask()
        rig.chats.runs._runs.pop(run.id)
        rig.chats.runs._orphan_s = runs_module.ORPHAN_S
        long_ago = run.record.heartbeat_at - runs_module.ORPHAN_S - 1
        await rig.store.runs.update(run.id, heartbeat_at=long_ago)
        seen = await rig.store.runs.unfinished()

        async def as_seen() -> tuple[RunRecord, ...]:
            return seen

        monkeypatch.setattr(rig.store.runs, "unfinished", as_seen)
        await rig.store.runs.update(run.id, heartbeat_at=long_ago + 1)  # the other hub's claim
        await rig.chats.runs.tidy()
        assert rig.chats.runs.held(run.id) is None
        await rig.store.runs.update(run.id, heartbeat_at=long_ago)
        await rig.chats.runs.tidy()
        assert rig.chats.runs.held(run.id) is not None
        await run.leave()


async def test_another_owners_session_cannot_bring_an_answer(tmp_path: Path) -> None:
    """The provider's session and the run's owner both have to fit."""
    run_id, *_ = await killed_hub(tmp_path)
    async with open_rig(tmp_path) as rig:
        rig.registry.drop_provider("prv_ann_gpu")
        theirs = replace(tunnel("gpu", "m", owner=BOB), id="prv_ann_gpu")
        rig.registry.put_provider(theirs)
        assert rig.chats.runs.adoptable("ses_gpu") == {}
        await rig.chats.runs.stop(ANN, run_id)


async def killed_while_continuing(path: Path) -> tuple[str, str, str]:
    """(run, message, request) ids of a run that went on with "Hello" when its hub went away."""
    async with open_rig(path) as rig:
        run, answer = await rig.ask()
        answer.say("Hello")
        await eventually_async(lambda: run.log.position == 5)
        await rig.chats.runs.stop(ANN, run.id)
        await rig.stored(run)
        message_id = run.record.message_id
        again = await rig.chats.continue_answer(ANN, run.record.chat_id, message_id)
        (await rig.door.answer()).say(" wor")
        run = rig.run(again["run"]["id"])
        await eventually_async(lambda: run.log.position == 4)
    return run.id, message_id, run.record.request_id


async def test_a_hub_that_is_killed_in_mid_continue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stood before and what came are there once; it can be continued once more."""
    monkeypatch.setattr(runs_module, "ADOPT_S", 0.05)
    run_id, message_id, _ = await killed_while_continuing(tmp_path)
    async with open_rig(tmp_path) as rig:
        run = rig.run(run_id)
        assert run.message().content == "Hello wor"
        await rig.stored(run)
        message = await rig.store.messages.get(message_id)
        assert (message.content, message.status) == ("Hello wor", MessageStatus.INTERRUPTED)
        assert (await rig.events(run_id, 4))[-1].data["message"]["content"] == "Hello wor"
        again = await rig.chats.continue_answer(ANN, run.record.chat_id, message_id)
        assert again["reply"]["continued_chars"] == len("Hello wor")
        (await rig.door.answer()).finish("ld!")
        await rig.stored(rig.run(again["run"]["id"]))
        message = await rig.store.messages.get(message_id)
        assert (message.content, message.status) == ("Hello world!", MessageStatus.COMPLETE)


async def test_an_agent_that_kept_the_rest_of_a_continued_answer(tmp_path: Path) -> None:
    """The same run goes on; nothing is missing and nothing doubled."""
    run_id, message_id, request_id = await killed_while_continuing(tmp_path)
    async with open_rig(tmp_path) as rig:
        run = rig.run(run_id)
        back = asyncio.create_task(rig.events(run_id, 2))
        whole = delta(content=" world!") + delta("stop") + DONE
        rig.chats.runs.adopt(KeptStream(request_id, whole))
        assert text_of(await back) == "orld!"
        await rig.stored(run)
        message = await rig.store.messages.get(message_id)
        assert (message.content, message.status) == ("Hello world!", MessageStatus.COMPLETE)
        assert message.continued_chars == 5
