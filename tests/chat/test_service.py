"""Chats: the tree, titles, search, and what is said instead of silence."""

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
from underpass.chat import service as service_module
from underpass.chat.service import NewMessage
from underpass.core.errors import (
    AppError,
    Conflict,
    InvalidRequest,
    ModelNotFound,
    NotAllowed,
    NotFound,
    ProviderError,
    ProviderTimeout,
    StorageError,
    TooMany,
)
from underpass.core.principal import Principal


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service with a scripted door."""
    async with open_rig(tmp_path) as rig:
        yield rig


async def answered(rig: ChatRig, chat: str, content: str | None = "hi", **fields: Any) -> Any:
    """What sending said, once the answer ("A to …") is complete."""
    sent = await rig.send(chat, content, **fields)
    (await rig.door.answer()).finish(f"A to {sent['message']['content']}")
    await rig.stored(rig.run(sent["run"]["id"]))
    return sent


async def test_a_new_chat(rig: ChatRig) -> None:
    """Empty, with what it was given."""
    chat = await rig.chats.create(ANN, model="gpu/m", settings={"temperature": 1})
    assert chat["messages"] == []
    assert (chat["title"], chat["model"], chat["settings"]) == ("", "gpu/m", {"temperature": 1})
    assert chat["created_at"].endswith("Z")


async def test_the_first_message_names_the_chat(rig: ChatRig) -> None:
    """From its first words; a title that somebody gave stays."""
    chat = await rig.chat()
    await answered(rig, chat, "How **do** I sort?\n\nAnd why?")
    assert (await rig.chats.get(ANN, chat))["title"] == "How do I sort? And why?"
    await rig.chats.update(ANN, chat, {"title": "Mine"})
    await answered(rig, chat, "something else")
    assert (await rig.chats.get(ANN, chat))["title"] == "Mine"
    assert len(rig.door.requests) == 2


async def test_sending_answers_at_once(rig: ChatRig) -> None:
    """Message, empty reply and run, before the model has said a word."""
    chat = await rig.chat()
    sent = await rig.send(chat, "hi")
    assert sent["message"]["content"] == "hi"
    assert sent["message"]["status"] == "complete"
    assert sent["reply"]["parent_id"] == sent["message"]["id"]
    assert sent["reply"]["content"] == ""
    assert sent["reply"]["status"] == sent["run"]["status"] == "streaming"
    assert sent["reply"]["run_id"] == sent["run"]["id"]
    assert sent["reply"]["provider"] == {
        "id": "prv_ann_gpu",
        "name": "gpu",
        "session_name": "gpu",
        "host": "node7",
    }


async def test_the_history_is_sent(rig: ChatRig) -> None:
    """Each message goes under the newest one, and the model reads the branch."""
    chat = await rig.chat()
    await answered(rig, chat, "one")
    await answered(rig, chat, "two")
    assert [message["content"] for message in rig.door.body()["messages"]] == [
        "one",
        "A to one",
        "two",
    ]


async def test_the_tree(rig: ChatRig) -> None:
    """Edit a question (a sibling), answer one again (a sibling of its answer), begin anew."""
    chat = await rig.chat()
    first = await answered(rig, chat, "one")
    await answered(rig, chat, "two")
    edited = await answered(rig, chat, "two, edited", parent_id=first["reply"]["id"])
    assert [message["content"] for message in rig.door.body()["messages"]] == [
        "one",
        "A to one",
        "two, edited",
    ]
    again = await answered(rig, chat, None, parent_id=edited["message"]["id"], model="m")
    assert again["message"]["id"] == edited["message"]["id"]
    assert again["reply"]["parent_id"] == edited["message"]["id"]
    assert again["reply"]["id"] != edited["reply"]["id"]
    root = await answered(rig, chat, "anew", parent_id=None)
    assert root["message"]["parent_id"] is None
    assert [message["content"] for message in rig.door.body()["messages"]] == ["anew"]
    messages = (await rig.chats.get(ANN, chat))["messages"]
    assert [message["role"] for message in messages] == [
        *("user", "assistant", "user", "assistant"),
        *("user", "assistant", "assistant", "user", "assistant"),
    ]


async def test_two_tabs_sending_at_once(rig: ChatRig) -> None:
    """Both are kept, as siblings; a message under an answer that streams is refused clearly."""
    chat = await rig.chat()
    first = await answered(rig, chat, "one")
    parent = first["reply"]["id"]
    a = await rig.send(chat, "from tab a", parent_id=parent)
    b = await rig.send(chat, "from tab b", parent_id=parent)
    assert a["message"]["parent_id"] == b["message"]["parent_id"] == parent
    with pytest.raises(Conflict) as caught:
        await rig.send(chat, "and another")
    assert caught.value.code == "answer_in_progress"
    assert caught.value.fields["run_id"] in (a["run"]["id"], b["run"]["id"])
    assert len((await rig.chats.get(ANN, chat))["messages"]) == 6


async def test_a_chat_shows_what_is_being_written(rig: ChatRig) -> None:
    """Opened in mid-answer it has the text so far, whatever is stored."""
    chat = await rig.chat()
    sent = await rig.send(chat)
    answer = await rig.door.answer()
    answer.say("half an ans")
    run = rig.run(sent["run"]["id"])
    await anext(aiter(run.log.watch(1)))
    reply = (await rig.chats.get(ANN, chat))["messages"][-1]
    assert (reply["content"], reply["status"]) == ("half an ans", "streaming")
    answer.finish("wer")
    await rig.stored(run)
    reply = (await rig.chats.get(ANN, chat))["messages"][-1]
    assert (reply["content"], reply["status"]) == ("half an answer", "complete")


async def test_the_model_is_remembered_by_its_full_id(rig: ChatRig) -> None:
    """A bare name that is clear today may be ambiguous tomorrow."""
    chat = await rig.chat(model=None)
    sent = await answered(rig, chat, "hi", model="m")
    assert sent["reply"]["model"] == "gpu/m"
    rig.registry.put_provider(tunnel("gpu2", "m"))
    await answered(rig, chat, "again")
    assert rig.door.body()["model"] == "gpu/m"


async def test_trouble_is_said_at_once_and_nothing_is_stored(rig: ChatRig) -> None:
    """Unknown, no model, not allowed, empty, no such file: a code, and no message."""
    chat = await rig.chat()
    rig.registry.put_provider(tunnel("down", "x", status="stopped", reason="Time is up."))
    limited = Principal("usr_ann", "ann", key_id="key_1", model_allow=("other/*",))
    cases: list[tuple[Principal, NewMessage, type[AppError], str]] = [
        (ANN, NewMessage("hi", model="down/y", attachments=("fil_x",)), NotFound, "not_found"),
        (ANN, NewMessage("hi", model="gpu/mm"), ModelNotFound, "model_not_found"),
        (limited, NewMessage("hi"), NotAllowed, "model_not_allowed"),
        (ANN, NewMessage("  "), InvalidRequest, "message_empty"),
        (ANN, NewMessage(None), InvalidRequest, "message_empty"),
        (ANN, NewMessage("hi", settings={"messages": []}), InvalidRequest, "invalid_request"),
        (ANN, NewMessage("hi", parent_id="msg_x", has_parent=True), NotFound, "not_found"),
    ]
    for caller, new, kind, code in cases:
        with pytest.raises(kind) as caught:
            await rig.chats.send(caller, chat, new)
        assert caught.value.code == code
    empty = await rig.chat(model=None)
    with pytest.raises(InvalidRequest) as without:
        await rig.send(empty)
    assert without.value.code == "model_missing"
    assert (await rig.chats.get(ANN, chat))["messages"] == []
    assert rig.door.requests == []


async def test_a_message_under_a_question_is_refused(rig: ChatRig) -> None:
    """With what to do instead."""
    chat = await rig.chat()
    sent = await answered(rig, chat)
    with pytest.raises(InvalidRequest, match="goes under an answer"):
        await rig.send(chat, "more", parent_id=sent["message"]["id"])


async def test_a_failed_answer_can_be_asked_again(rig: ChatRig) -> None:
    """Without losing the question, and without the failed answer in the history."""
    chat = await rig.chat()
    rig.door.errors.append(StorageError("x"))
    sent = await rig.send(chat, "one")
    await rig.stored(rig.run(sent["run"]["id"]))
    await rig.door.called()
    await answered(rig, chat, "two")
    assert rig.door.body()["messages"] == [{"role": "user", "content": "one\n\ntwo"}]


async def test_strangers_get_not_found(rig: ChatRig) -> None:
    """For every verb, for admins too, in the same words as for an id that never was."""
    chat = await rig.chat()
    admin = Principal("usr_root", "root", is_admin=True)
    for caller, chat_id in ((BOB, chat), (admin, chat), (ANN, "cht_none")):
        for verb in (
            rig.chats.get(caller, chat_id),
            rig.chats.update(caller, chat_id, {"title": "x"}),
            rig.chats.delete(caller, chat_id),
            rig.chats.restore(caller, chat_id),
            rig.chats.send(caller, chat_id, NewMessage("hi", model="gpu/m")),
        ):
            with pytest.raises(NotFound) as caught:
                await verb
            assert caught.value.message == f"There is no chat '{chat_id}'."
    assert (await rig.chats.list_chats(BOB))["items"] == []
    assert len((await rig.chats.list_chats(ANN))["items"]) == 1


async def test_a_strangers_provider_cannot_be_used(rig: ChatRig) -> None:
    """Through chat as little as through the gateway."""
    chat = (await rig.chats.create(BOB, model="gpu/m"))["id"]
    for model in ("gpu/m", "m", "ann:gpu/m"):
        with pytest.raises(ModelNotFound):
            await rig.chats.send(BOB, chat, NewMessage("hi", model=model))


async def test_the_list(rig: ChatRig) -> None:
    """Last used first, in parts, and by words of the title."""
    ids = [await rig.chat(title=f"Chat {name}") for name in ("one", "TWO", "three")]
    await answered(rig, ids[0])
    first = await rig.chats.list_chats(ANN, limit=2)
    assert [chat["id"] for chat in first["items"]] == [ids[0], ids[2]]
    rest = await rig.chats.list_chats(ANN, limit=2, after=first["next"])
    assert [chat["id"] for chat in rest["items"]] == [ids[1]]
    assert rest["next"] is None
    found = await rig.chats.list_chats(ANN, words="chat two")
    assert [chat["id"] for chat in found["items"]] == [ids[1]]
    assert (await rig.chats.list_chats(ANN, words="100%"))["items"] == []


async def test_delete_and_undo(rig: ChatRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gone at once, back on request, gone for good after a while; pages hear of it."""
    chat = await rig.chat()
    await answered(rig, chat)
    watcher = rig.feed.watch(ANN.user_id)
    await rig.chats.delete(ANN, chat)
    with pytest.raises(NotFound):
        await rig.chats.get(ANN, chat)
    restored = await rig.chats.restore(ANN, chat)
    assert restored["id"] == chat
    assert len((await rig.chats.get(ANN, chat))["messages"]) == 2
    with pytest.raises(NotFound):
        await rig.chats.restore(ANN, chat)
    watcher.close()
    told = [(event.kind, event.op, event.item["id"]) async for event in watcher]
    assert told == [("chat", "delete", chat), ("chat", "upsert", chat)]
    await rig.chats.delete(ANN, chat)
    monkeypatch.setattr(service_module, "UNDO_S", -1.0)
    await rig.chats.tidy()
    assert await rig.store.chats.find(chat) is None


async def test_too_many_runs(rig: ChatRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """One user's runs are bounded; the next one is told when to try again."""
    monkeypatch.setattr(service_module, "MAX_RUNS_PER_USER", 1)
    await rig.ask()
    with pytest.raises(TooMany) as caught:
        await rig.send(await rig.chat())
    assert caught.value.retry_after_s


async def test_content_is_never_logged(rig: ChatRig, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what is asked nor what is answered, at any level."""
    caplog.set_level("DEBUG", logger="underpass")
    chat = await rig.chat(settings={"system_prompt": "xyzzy-system"})
    sent = await rig.send(chat, "xyzzy-question")
    answer = await rig.door.answer()
    answer.say("xyzzy-answer")
    answer.send(b'data: {"error": {"message": "xyzzy-error"}}\n\n')
    await rig.stored(rig.run(sent["run"]["id"]))
    assert "xyzzy" not in caplog.text


# --- continue --------------------------------------------------------------------------------


async def stopped(rig: ChatRig, chat: str, text: str = "half an ans") -> dict[str, Any]:
    """What sending said, once the answer was stopped after some text."""
    sent = await rig.send(chat, "one")
    (await rig.door.answer()).say(text)
    run = rig.run(sent["run"]["id"])
    await eventually_async(lambda: run.log.position == len(text))
    await rig.chats.runs.stop(ANN, run.id)
    await rig.stored(run)
    return sent


async def test_an_answer_goes_on_in_the_same_message(rig: ChatRig) -> None:
    """The run says the new text only, at positions of its own; the message holds all of it."""
    chat = await rig.chat()
    sent = await stopped(rig, chat)
    again = await rig.chats.continue_answer(ANN, chat, sent["reply"]["id"])
    assert again["message"]["id"] == sent["message"]["id"]
    assert again["reply"]["id"] == sent["reply"]["id"]
    assert again["reply"]["continued_chars"] == len("half an ans")
    assert (again["reply"]["content"], again["reply"]["status"]) == ("half an ans", "streaming")
    run = rig.run(again["run"]["id"])
    answer = await rig.door.answer()
    answer.say("wer")
    await eventually_async(lambda: run.log.position == 3)
    (shown,) = (await rig.chats.get(ANN, chat))["messages"][1:]
    assert (shown["content"], shown["run_id"]) == ("half an answer", run.id)
    answer.finish(".")
    await rig.stored(run)
    assert text_of(await rig.events(run.id)) == "wer."
    rig.chats.runs._runs.clear()
    assert text_of(await rig.events(run.id)) == "wer."
    assert text_of(await rig.events(run.id, 2)) == "r."
    assert text_of(await rig.events(sent["run"]["id"])) == ""
    (shown,) = (await rig.chats.get(ANN, chat))["messages"][1:]
    assert (shown["content"], shown["status"]) == ("half an answer.", "complete")
    assert (shown["finish_reason"], shown["error"]) == ("stop", None)
    with pytest.raises(InvalidRequest) as caught:
        await rig.chats.continue_answer(ANN, chat, sent["reply"]["id"])
    assert caught.value.code == "not_continuable"


async def test_what_a_server_is_asked_to_go_on_with(rig: ChatRig) -> None:
    """The branch up to the answer, as its kind of server takes it; chosen when it is asked."""
    chat = await rig.chat(settings={"system_prompt": "Be kind."})
    for kind, last in (("vllm", "assistant"), ("llama.cpp", "assistant"), ("ollama", "user")):
        sent = await stopped(rig, chat, "half")
        rig.registry.put_provider(replace(tunnel("gpu", "m"), server_kind=kind))
        again = await rig.chats.continue_answer(ANN, chat, sent["reply"]["id"])
        (await rig.door.answer()).finish(".")
        await rig.stored(rig.run(again["run"]["id"]))
        body = rig.door.body()
        assert body["messages"][0] == {"role": "system", "content": "Be kind."}
        assert body["messages"][-1]["role"] == last
        spoken = [one for one in body["messages"] if one["role"] == "assistant"]
        assert spoken[-1]["content"] == "half"
        assert body.get("continue_final_message") == (True if kind == "vllm" else None)


async def test_an_answer_can_go_on_twice_and_elsewhere(rig: ChatRig) -> None:
    """Each time from where it ended; tool calls and reasoning are kept as well."""
    rig.registry.put_provider(tunnel("other", "x"))
    chat = await rig.chat()
    sent = await rig.send(chat, "one")
    answer = await rig.door.answer()
    call = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
    answer.send(delta(reasoning="hm") + delta(tool_calls=[call]))
    answer.send(delta("length", content="a") + DONE + b"")
    answer.send(b"")
    await rig.stored(rig.run(sent["run"]["id"]))
    for model, more in (("other/x", "b"), (None, "c")):
        again = await rig.chats.continue_answer(ANN, chat, sent["reply"]["id"], model=model)
        answer = await rig.door.answer()
        answer.send(delta(reasoning="!") + delta(tool_calls=[{**call, "id": more}]))
        answer.send(delta("length", content=more) + DONE)
        answer.send(b"")
        await rig.stored(rig.run(again["run"]["id"]))
    reply = (await rig.chats.get(ANN, chat))["messages"][-1]
    assert (reply["content"], reply["reasoning"]) == ("abc", "hm!!")
    assert [(one["index"], one["id"]) for one in reply["tool_calls"]] == [
        (0, "a"),
        (1, "b"),
        (2, "c"),
    ]
    assert (reply["model"], reply["continued_chars"]) == ("other/x", 2)


async def test_going_on_that_fails_loses_nothing(rig: ChatRig) -> None:
    """The text stays, the message says what happened, and it can be tried again."""
    chat = await rig.chat()
    sent = await stopped(rig, chat)
    rig.door.errors.append(ProviderError("The server is full.", code="upstream_full"))
    again = await rig.chats.continue_answer(ANN, chat, sent["reply"]["id"])
    await rig.stored(rig.run(again["run"]["id"]))
    await rig.door.called()
    reply = (await rig.chats.get(ANN, chat))["messages"][-1]
    assert (reply["content"], reply["status"]) == ("half an ans", "failed")
    assert reply["error"]["code"] == "upstream_full"
    again = await rig.chats.continue_answer(ANN, chat, sent["reply"]["id"])
    (await rig.door.answer()).finish("wer")
    await rig.stored(rig.run(again["run"]["id"]))
    assert (await rig.chats.get(ANN, chat))["messages"][-1]["content"] == "half an answer"


async def test_two_tabs_continue_at_once(rig: ChatRig) -> None:
    """One run writes into the message; the other tab is told which."""
    chat = await rig.chat()
    sent = await stopped(rig, chat)
    results = await asyncio.gather(
        *(rig.chats.continue_answer(ANN, chat, sent["reply"]["id"]) for _ in range(2)),
        return_exceptions=True,
    )
    refused = [one for one in results if isinstance(one, Conflict)]
    assert len(refused) == 1
    assert refused[0].code == "answer_in_progress"
    (await rig.door.answer()).finish("wer")
    (began,) = [one for one in results if not isinstance(one, BaseException)]
    await rig.stored(rig.run(began["run"]["id"]))
    assert (await rig.chats.get(ANN, chat))["messages"][-1]["content"] == "half an answer"
    assert len(rig.door.answers) == 2


# --- what model servers get wrong ------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "status", "text", "code"),
    [
        # no [DONE], no finish reason: what came is the answer
        ([delta(content="Hi")], "complete", "Hi", None),
        # a role that nobody knows
        ([delta(role="oracle", content="Hi") + delta("stop") + DONE], "complete", "Hi", None),
        # an error in mid-stream
        (
            [delta(content="Hi"), event({"error": {"message": "Out of memory", "code": "oom"}})],
            "failed",
            "Hi",
            "oom",
        ),
        # not SSE at all, and SSE with something else than JSON in it
        ([b"<html>Bad gateway</html>"], "failed", "", None),
        ([delta(content="Hi"), b"data: {oops\n\n"], "failed", "Hi", "upstream_answer_invalid"),
        # nothing
        ([], "failed", "", "empty_answer"),
        # a line that breaks in mid-answer
        ([delta(content="Hi"), ProviderTimeout("Lost.")], "interrupted", "Hi", "tunnel_lost"),
    ],
)
async def test_a_bad_answer_is_said_and_nothing_is_lost(
    rig: ChatRig, parts: list[Any], status: str, text: str, code: str | None
) -> None:
    """The text that came is stored, the message says in a sentence what was wrong, and the chat
    goes on."""
    chat = await rig.chat()
    sent = await rig.send(chat, "one")
    answer = await rig.door.answer()
    for part in [*parts, b""]:
        answer.send(part)
    await rig.stored(rig.run(sent["run"]["id"]))
    stored = await rig.store.messages.get(sent["reply"]["id"])
    assert (stored.status.value, stored.content) == (status, text)
    if status != "complete":
        assert stored.error is not None
        assert stored.error["message"].endswith(".") or code == "oom"
        assert code is None or stored.error["code"] == code
    await answered(rig, chat, "two")
    assert rig.door.body()["messages"][-1]["content"].endswith("two")


async def test_a_tool_call_without_index(rig: ChatRig) -> None:
    """Is shown as the call that it is, with whole arguments."""
    chat = await rig.chat()
    sent = await rig.send(chat, "one")
    answer = await rig.door.answer()
    answer.send(delta(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": '{"x"'}}]))
    answer.send(delta(tool_calls=[{"function": {"arguments": ": 1}"}}]))
    answer.send(delta("tool_calls") + DONE)
    answer.send(b"")
    await rig.stored(rig.run(sent["run"]["id"]))
    (call,) = (await rig.chats.get(ANN, chat))["messages"][-1]["tool_calls"]
    assert call["index"] == 0
    assert call["function"] == {"name": "f", "arguments": '{"x": 1}'}


async def test_a_chat_deleted_in_another_tab(rig: ChatRig) -> None:
    """Whoever writes in it is told; what ran is stopped and can be had back with the chat."""
    chat = await rig.chat()
    sent = await rig.send(chat, "one")
    answer = await rig.door.answer()
    answer.say("half")
    run = rig.run(sent["run"]["id"])
    await eventually_async(lambda: run.log.position == 4)
    watching = await rig.chats.runs.watch(ANN, run.id, 0)
    await rig.chats.delete(ANN, chat)
    ends = [event async for event in watching if event.name == "end"]
    assert ends[0].data["message"]["status"] == "stopped"
    for verb in (
        rig.send(chat, "two"),
        rig.chats.continue_answer(ANN, chat, sent["reply"]["id"]),
        rig.chats.update(ANN, chat, {"title": "x"}),
    ):
        with pytest.raises(NotFound):
            await verb
    await rig.stored(run)
    await rig.chats.restore(ANN, chat)
    assert (await rig.chats.get(ANN, chat))["messages"][-1]["content"] == "half"
