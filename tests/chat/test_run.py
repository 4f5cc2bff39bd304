"""One run: it belongs to the hub, and ends in exactly one way."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.answers import DONE, USAGE, delta, event
from tests.fakes.chats import ChatRig, open_rig, text_of
from tests.fakes.registry import ANN, BOB, custom, tunnel
from tests.rig.waiting import eventually_async
from underpass.chat import asking as asking_module
from underpass.chat import places as places_module
from underpass.chat import run as run_module
from underpass.core.errors import (
    ModelLoading,
    ProviderTimeout,
    StorageError,
    TunnelStopped,
    UpstreamUnreachable,
)
from underpass.core.states import MessageStatus, ProviderStatus


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service with a scripted door."""
    async with open_rig(tmp_path) as rig:
        yield rig


async def test_a_whole_answer(rig: ChatRig) -> None:
    """Text, reasoning, usage, numbers and finish reason end in the message, and in the store."""
    run, answer = await rig.ask("What is 2+2?")
    answer.send(delta(reasoning="easy"))
    answer.say("4", ".")
    answer.finish(**USAGE)
    await rig.stored(run)
    stored = await rig.store.messages.get(run.record.message_id)
    assert (stored.content, stored.reasoning) == ("4.", "easy")
    assert (stored.status, stored.finish_reason) == (MessageStatus.COMPLETE, "stop")
    assert stored.usage == USAGE
    assert stored.provider is not None
    assert stored.provider["host"] == "node7"
    assert stored.timings is not None
    assert stored.timings["first_token_s"] >= 0
    assert (await rig.store.runs.get(run.id)).ended_at is not None
    assert await rig.store.run_events.after(run.id) == ()
    assert answer.is_released
    assert answer.cancelled is None


async def test_what_the_model_is_asked(rig: ChatRig) -> None:
    """A durable stream of chat/completions, in the caller's name, with settings as they are."""
    chat = await rig.chat(settings={"temperature": 0})
    await rig.send(chat, "hi", settings={"top_k": 5})
    await rig.door.called()
    request = rig.door.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.durable
    assert rig.door.callers == [ANN]
    assert rig.door.body() == {
        "model": "gpu/m",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0,
        "top_k": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_nobody_has_to_watch(rig: ChatRig) -> None:
    """A watcher that comes and goes changes nothing; the answer is complete without one."""
    run, answer = await rig.ask()
    watching = await rig.chats.runs.watch(ANN, run.id, 0)
    answer.say("a")
    async for told in watching:
        if told.name == "delta":
            break
    answer.finish("b")
    await rig.stored(run)
    assert run.message().content == "ab"


async def test_stop_keeps_the_text_and_cancels_at_once(rig: ChatRig) -> None:
    """The upstream connection is closed in the same turn, and what came stays."""
    run, answer = await rig.ask()
    answer.say("Once", " upon")
    await eventually_async(lambda: run.log.position == 9)
    stopping = asyncio.create_task(rig.chats.runs.stop(ANN, run.id))
    started = asyncio.get_running_loop().time()
    record = await stopping
    assert answer.cancelled == "stopped"
    assert answer.cancelled_at is not None
    assert answer.cancelled_at - started < 0.25
    assert record.status is MessageStatus.STOPPED
    await rig.stored(run)
    stored = await rig.store.messages.get(run.record.message_id)
    assert (stored.content, stored.status) == ("Once upon", MessageStatus.STOPPED)
    assert stored.error is None


async def test_stop_before_the_first_byte(rig: ChatRig) -> None:
    """A call that waits for its head is given up."""
    rig.door.is_silent = True
    sent = await rig.send(await rig.chat())
    await rig.door.called()
    record = await rig.chats.runs.stop(ANN, sent["run"]["id"])
    assert record.status is MessageStatus.STOPPED
    assert rig.door.cancelled_calls == 1


async def test_stop_after_the_end_changes_nothing(rig: ChatRig) -> None:
    """Stop is late: the answer stays complete."""
    run, answer = await rig.ask()
    answer.finish("all")
    await rig.stored(run)
    assert (await rig.chats.runs.stop(ANN, run.id)).status is MessageStatus.COMPLETE


async def test_an_error_in_mid_stream_keeps_the_text(rig: ChatRig) -> None:
    """`failed`, with the server's own code and message; the connection is closed."""
    run, answer = await rig.ask()
    answer.say("So ")
    answer.send(event({"error": {"message": "CUDA out of memory", "code": "oom"}}))
    await rig.stored(run)
    message = run.message()
    assert (message.content, message.status) == ("So ", MessageStatus.FAILED)
    assert message.error == {"code": "oom", "message": "CUDA out of memory", "hint": None}
    assert answer.cancelled == "failed"


async def test_a_refusal_of_the_server(rig: ChatRig) -> None:
    """An HTTP error of the model server becomes the message's error."""
    rig.door.status = 400
    run, answer = await rig.ask()
    answer.send(b'{"error": {"message": "too long for me", ')
    answer.send(b'"code": "context_length_exceeded"}}')
    answer.send(b"")
    await rig.stored(run)
    error = run.message().error
    assert run.record.status is MessageStatus.FAILED
    assert error is not None
    assert (error["code"], error["message"]) == ("context_length_exceeded", "too long for me")


async def test_an_error_before_the_first_byte(
    rig: ChatRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the door says ends the run, with its hint."""
    monkeypatch.setattr(places_module, "NEWS_S", 0.01)
    rig.door.errors.append(UpstreamUnreachable("refused", hint="Start the server."))
    sent = await rig.send(await rig.chat())
    events = await rig.events(sent["run"]["id"])
    message = events[-1].data["message"]
    assert message["status"] == "failed"
    assert message["error"] == {
        "code": "upstream_unreachable",
        "message": "refused",
        "hint": "Start the server.",
    }


async def test_a_session_that_ends_in_mid_answer_says_why(rig: ChatRig) -> None:
    """The text is kept, the message is interrupted, and names the reason that came a bit later."""
    run, answer = await rig.ask()
    answer.say("So far")
    answer.send(ProviderTimeout("The tunnel was lost.", hint="Restart the session."))
    await asyncio.sleep(0.02)
    stopped = replace(
        tunnel("gpu", "m"),
        status=ProviderStatus.STOPPED,
        status_reason="The session reached its time limit.",
    )
    rig.registry.put_provider(stopped)
    await rig.stored(run)
    message = run.message()
    assert (message.content, message.status) == ("So far", MessageStatus.INTERRUPTED)
    assert message.error == {
        "code": "tunnel_lost",
        "message": "The tunnel was lost. The session reached its time limit.",
        "hint": "Restart the session.",
    }


async def test_stop_while_the_reason_is_awaited(rig: ChatRig) -> None:
    """Stop always ends a run."""
    run, answer = await rig.ask()
    answer.say("So far")
    answer.send(TunnelStopped("Stopped."))
    await asyncio.sleep(0.02)
    assert (await rig.chats.runs.stop(ANN, run.id)).status is MessageStatus.STOPPED


async def test_a_loading_provider_makes_the_run_wait(rig: ChatRig) -> None:
    """`waiting`, with what is going on; it is asked by itself once the provider runs."""
    rig.registry.put_provider(tunnel("gpu", "m", status="loading", reason="Loading weights, 63 %."))
    sent = await rig.send(await rig.chat())
    assert sent["run"]["status"] == sent["reply"]["status"] == "waiting"
    assert sent["reply"]["waiting"]["code"] == "model_loading"
    run = rig.run(sent["run"]["id"])
    assert "63 %" in run.log.status["waiting"]["message"]
    rig.registry.put_provider(tunnel("gpu", "m", status="loading", reason="Loading weights, 99 %."))
    await eventually_async(lambda: "99 %" in run.log.status["waiting"]["message"])
    assert rig.door.requests == []
    rig.registry.put_provider(tunnel("gpu", "m"))
    answer = await rig.door.answer()
    assert run.record.status is MessageStatus.STREAMING
    assert run.log.status == {"status": "streaming"}
    answer.finish("here")
    await rig.stored(run)
    assert (run.message().content, run.message().waiting) == ("here", None)


@pytest.mark.parametrize("status", ["stopped", "starting", "loading", "unreachable"])
async def test_ones_own_provider_is_waited_for(rig: ChatRig, status: str) -> None:
    """Whatever it is at, until it runs or the run is stopped; other pages see both."""
    rig.registry.put_provider(tunnel("gpu", "m", status=status))
    watcher = rig.feed.watch(ANN.user_id)
    sent = await rig.send(await rig.chat())
    run = rig.run(sent["run"]["id"])
    stored = await rig.store.messages.get(run.record.message_id)
    assert (stored.status, stored.waiting) == (MessageStatus.WAITING, sent["reply"]["waiting"])
    record = await rig.chats.runs.stop(ANN, run.id)
    assert record.status is MessageStatus.STOPPED
    await rig.stored(run)
    stored = await rig.store.messages.get(run.record.message_id)
    assert (stored.status, stored.waiting) == (MessageStatus.STOPPED, None)
    assert rig.door.requests == []
    watcher.close()
    told = [event.item["message"] async for event in watcher if event.kind == "message"]
    shown = [(one["status"], one["waiting"]) for one in told if one["role"] == "assistant"]
    assert shown == [("waiting", sent["reply"]["waiting"]), ("stopped", None)]


async def test_a_provider_that_stops_is_waited_for_too(rig: ChatRig) -> None:
    """With other words, until its session is restarted."""
    rig.registry.put_provider(tunnel("gpu", "m", status="starting"))
    sent = await rig.send(await rig.chat())
    run = rig.run(sent["run"]["id"])
    rig.registry.put_provider(tunnel("gpu", "m", status="stopped"))
    await eventually_async(lambda: run.log.status["waiting"]["code"] == "tunnel_stopped")
    stored = await rig.store.messages.get(run.record.message_id)
    assert stored.waiting is not None
    rig.registry.put_provider(tunnel("gpu", "m"))
    (await rig.door.answer()).finish("back")
    await rig.stored(run)
    assert run.message().content == "back"


async def test_what_is_somebody_elses_is_not_waited_for(rig: ChatRig) -> None:
    """Nobody here could start it; what loads comes by itself."""
    shared = replace(custom("lab", "x", owner=BOB, everyone=True), status=ProviderStatus.STOPPED)
    rig.registry.put_provider(shared)
    chat = await rig.chat(model="lab/x")
    with pytest.raises(TunnelStopped):
        await rig.send(chat)
    rig.registry.put_provider(replace(shared, status=ProviderStatus.LOADING))
    sent = await rig.send(chat)
    assert sent["reply"]["waiting"]["code"] == "model_loading"
    rig.registry.put_provider(replace(shared, status=ProviderStatus.STOPPED))
    events = await rig.events(sent["run"]["id"])
    assert events[-1].data["message"]["error"]["code"] == "tunnel_stopped"


async def test_a_provider_that_is_deleted_ends_the_wait(rig: ChatRig) -> None:
    """There is nothing left to wait for."""
    rig.registry.put_provider(tunnel("gpu", "m", status="starting"))
    sent = await rig.send(await rig.chat())
    rig.registry.drop_provider("prv_ann_gpu")
    events = await rig.events(sent["run"]["id"])
    assert events[-1].data["message"]["error"]["code"] == "model_not_found"


async def test_a_server_that_says_loading_is_asked_again(rig: ChatRig) -> None:
    """Though the registry believes that it runs."""
    rig.door.errors.append(ModelLoading("Still loading.", retry_after_s=0.01))
    sent = await rig.send(await rig.chat())
    assert sent["run"]["status"] == "streaming"
    await rig.door.called()
    run = rig.run(sent["run"]["id"])
    await eventually_async(lambda: run.record.status is MessageStatus.WAITING)
    (await rig.door.answer()).finish("ok")
    await rig.stored(run)
    assert len(rig.door.requests) == 2
    assert run.message().content == "ok"


async def test_a_server_that_has_just_died_is_waited_for(rig: ChatRig) -> None:
    """Its agent says so a moment later."""
    rig.door.errors.append(UpstreamUnreachable("refused"))
    sent = await rig.send(await rig.chat())
    run = rig.run(sent["run"]["id"])
    await rig.door.called()
    rig.registry.put_provider(tunnel("gpu", "m", status="unreachable"))
    await eventually_async(lambda: run.record.status is MessageStatus.WAITING)
    waiting = run.message().waiting
    assert waiting is not None
    assert waiting["code"] == "unreachable"
    rig.registry.put_provider(tunnel("gpu", "m"))
    (await rig.door.answer()).finish("ok")
    await rig.stored(run)
    assert len(rig.door.requests) == 2


async def test_an_agent_that_dials_again_is_awaited(rig: ChatRig) -> None:
    """Right after a hub's restart its tunnel is not stopped, only not connected yet."""
    rig.door.errors.append(TunnelStopped("Stopped."))
    sent = await rig.send(await rig.chat())
    run = rig.run(sent["run"]["id"])
    await eventually_async(lambda: run.record.status is MessageStatus.WAITING)
    assert run.log.status["waiting"]["code"] == "not_connected"

    class Up:
        """A link that is connected."""

        is_up = True

        async def open(self, head: object) -> None:
            """Not used here."""

    rig.registry.bind_tunnel("tun_ann_gpu", Up())  # type: ignore[arg-type]
    await rig.door.called()
    await rig.door.called()
    rig.door.answers[0].finish("ok")
    await rig.stored(run)
    assert (run.message().content, len(rig.door.requests)) == ("ok", 2)


async def test_no_done_and_a_connection_that_stays_open(
    rig: ChatRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The composer is free at the last token; a server that does not close is closed."""
    monkeypatch.setattr(asking_module, "DRAIN_S", 0.05)
    run, answer = await rig.ask()
    answer.say("done")
    answer.send(DONE)
    assert text_of(await rig.events(run.id)) == "done"
    await rig.stored(run)
    assert answer.cancelled == "done"
    assert run.record.status is MessageStatus.COMPLETE


async def test_an_endless_answer_is_ended(rig: ChatRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: the rest is cancelled, what came stays."""
    monkeypatch.setattr(run_module, "MAX_ANSWER_CHARS", 10)
    run, answer = await rig.ask()
    answer.say("0123456789", "x")
    await rig.stored(run)
    message = run.message()
    assert message.content == "0123456789x"
    assert message.error is not None
    assert message.error["code"] == "answer_too_large"
    assert answer.cancelled == "failed"


async def test_a_mistake_of_ours_still_ends_the_run(
    rig: ChatRig, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the kind of error and not a word of what was said."""
    run, answer = await rig.ask("secret question")
    answer._queue.put_nowait(3)  # type: ignore[arg-type]
    await rig.stored(run)
    assert run.record.status is MessageStatus.FAILED
    assert "failed: AttributeError" in caplog.text
    assert "secret" not in caplog.text


async def test_a_store_that_cannot_write(rig: ChatRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on and says so; everything is stored once the store works again."""
    monkeypatch.setattr(run_module, "STORE_RETRY_S", 0.01)
    run, answer = await rig.ask()
    is_full = True
    append, end = rig.store.answers.append, rig.store.answers.end

    async def failing_append(*args: object, **options: object) -> object:
        if is_full:
            raise StorageError("The disk is full.", hint="Free some space.")
        return await append(*args, **options)  # type: ignore[arg-type]

    async def failing_end(*args: object) -> None:
        if is_full:
            raise StorageError("The disk is full.", hint="Free some space.")
        await end(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(rig.store.answers, "append", failing_append)
    monkeypatch.setattr(rig.store.answers, "end", failing_end)
    answer.say("kept")
    await eventually_async(lambda: "storage" in run.log.status)
    assert run.log.status["storage"]["message"] == "The disk is full."
    answer.finish(" in memory")
    events = await rig.events(run.id)
    assert events[-1].data["message"]["content"] == "kept in memory"
    assert not run.is_stored
    assert not answer.is_released
    is_full = False
    await rig.stored(run)
    assert (await rig.store.messages.get(run.record.message_id)).content == "kept in memory"
