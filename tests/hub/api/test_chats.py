"""`/api/chats`: shapes, scopes, and what bad input gets."""

import asyncio
import io
import json
from typing import Any

import pytest

from tests.fakes.model import ScriptedModel
from tests.hub.conftest import Browser, RunningHub
from tests.rig.waiting import eventually_async
from underpass.store import UserRecord


@pytest.fixture
async def page(hub: RunningHub, alice: UserRecord) -> Browser:
    """alice's browser."""
    return await hub.browser("alice")


async def new_chat(page: Browser) -> str:
    """The id of a new chat."""
    made = await page.post("/api/chats", {"model": "gpu/m"})
    assert made.status == 201
    return str(made.json()["id"])


async def test_a_question_and_its_answer(page: Browser, model: ScriptedModel) -> None:
    """202 at once; a moment later the chat holds both, with numbers and a title."""
    chat = await new_chat(page)
    sent = await page.post(f"/api/chats/{chat}/messages", {"content": "hello there"})
    assert sent.status == 202
    body = sent.json()
    assert set(body) == {"message", "reply", "run"}
    assert body["run"]["status"] == "streaming"

    async def is_complete() -> bool:
        shown = (await page.get(f"/api/chats/{chat}")).json()
        return bool(shown["messages"][-1]["status"] == "complete")

    await eventually_async(is_complete)
    shown = (await page.get(f"/api/chats/{chat}")).json()
    question, answer = shown["messages"]
    assert shown["title"] == "hello there"
    assert (question["role"], question["content"]) == ("user", "hello there")
    assert answer["content"] == "You said: hello there"
    assert answer["usage"]["completion_tokens"] == 2
    assert answer["provider"]["host"] == "node7"
    assert answer["finish_reason"] == "stop"


async def test_list_rename_delete_restore(page: Browser) -> None:
    """A chat's life without a model."""
    chat = await new_chat(page)
    renamed = await page.patch(f"/api/chats/{chat}", {"title": "About foxes"})
    assert (renamed.status, renamed.json()["title"]) == (200, "About foxes")
    assert [one["id"] for one in (await page.get("/api/chats?q=FOX")).json()["items"]] == [chat]
    assert (await page.get("/api/chats?q=dog")).json()["items"] == []
    assert (await page.delete(f"/api/chats/{chat}")).status == 204
    assert (await page.get(f"/api/chats/{chat}")).status == 404
    assert (await page.post(f"/api/chats/{chat}/restore")).json()["title"] == "About foxes"


async def test_what_bad_input_gets(page: Browser, model: ScriptedModel) -> None:
    """Each with its status, a stable code, and what to do."""
    chat = await new_chat(page)
    path = f"/api/chats/{chat}/messages"
    cases = [
        ({"content": ""}, 400, "message_empty"),
        ({"content": "x", "model": "gpu/other"}, 404, "model_not_found"),
        ({"content": "x", "parent_id": "msg_none"}, 404, "not_found"),
        ({"content": "x", "settings": {"stream": False}}, 400, "invalid_request"),
        ({"content": "x", "contents": "y"}, 422, None),
        ({"content": ["x"]}, 422, None),
    ]
    for body, status, code in cases:
        answer = await page.post(path, body)
        assert answer.status in (status, 400), body
        assert code is None or answer.code == code
    assert (await page.get(f"/api/chats/{chat}")).json()["messages"] == []


async def test_a_message_that_is_too_long(page: Browser) -> None:
    """413 with the numbers; beyond what the hub reads at all, 413 as well."""
    chat = await new_chat(page)
    for size in (2 * 1024 * 1024 + 1, 5 * 1024 * 1024):
        body = io.BytesIO(json.dumps({"content": "x" * size}).encode())
        headers = {**page.headers, "Content-Type": "application/json"}
        url = f"{page.url}/api/chats/{chat}/messages"
        async with page.http.post(url, data=body, headers=headers) as answer:
            assert (answer.status, (await answer.json(content_type=None))["code"]) == (
                413,
                "too_large",
            )


async def test_a_paste_of_a_megabyte(page: Browser, model: ScriptedModel) -> None:
    """Reaches the model whole; it is for the model to say that it is too long."""
    model.is_scripted = True
    chat = await new_chat(page)
    paste = "large " * 166_667
    sent = await page.post(f"/api/chats/{chat}/messages", {"content": paste})
    assert (sent.status, sent.json()["message"]["content"]) == (202, paste)
    speaker = await model.asked()
    assert speaker.asked["messages"][0]["content"] == paste
    await speaker.finish("long")


async def test_a_file_goes_with_a_message(page: Browser, model: ScriptedModel) -> None:
    """Added first, then named; the message shows it, the model reads it; an unknown one is 404."""
    chat = await new_chat(page)
    url = f"{page.url}/api/files?name=a.py"
    async with page.http.post(url, data=b"x = 1", headers=page.headers) as answer:
        file = await answer.json()
    path = f"/api/chats/{chat}/messages"
    sent = await page.post(path, {"content": "what?", "attachments": [file["id"]]})
    shown = {name: file[name] for name in file if name not in ("pages", "created_at")}
    assert (sent.status, sent.json()["message"]["attachments"]) == (202, [shown])

    async def answered() -> bool:
        reply = (await page.get(f"/api/chats/{chat}")).json()["messages"][-1]
        return "x = 1" in reply["content"] and reply["status"] == "complete"

    await eventually_async(answered)
    assert (await page.delete(f"/api/files/{file['id']}")).code == "file_in_use"
    none = await page.post(path, {"content": "x", "attachments": ["fil_none"]})
    assert (none.status, none.code) == (404, "not_found")


async def test_another_users_chat(hub: RunningHub, page: Browser, root: UserRecord) -> None:
    """Not there, for admins neither."""
    chat = await new_chat(page)
    admin = await hub.browser("root")
    for answer in (
        await admin.get(f"/api/chats/{chat}"),
        await admin.delete(f"/api/chats/{chat}"),
        await admin.post(f"/api/chats/{chat}/messages", {"content": "x"}),
    ):
        assert (answer.status, answer.code) == (404, "not_found")
    assert (await admin.get("/api/chats")).json()["items"] == []


async def test_sending_takes_the_scope_of_the_gateway(
    hub: RunningHub, alice: UserRecord, model: ScriptedModel
) -> None:
    """A key that may not use models cannot do it through a chat."""
    program = await hub.program(await hub.key(alice, "read", "sessions"))
    chat = (await program.post("/api/chats", {"model": "gpu/m"})).json()["id"]
    answer = await program.post(f"/api/chats/{chat}/messages", {"content": "hi"})
    assert (answer.status, answer.code) == (403, "scope_missing")


async def test_a_temporary_chat_is_nowhere(
    hub: RunningHub, page: Browser, model: ScriptedModel
) -> None:
    """Through the whole hub: not a word of it is below the data folder, while a normal chat's is."""
    folder = hub.services.config.data_dir

    def is_on_disk(word: str) -> bool:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return any(word.encode() in path.read_bytes() for path in files)

    for is_temporary in (True, False):
        made = await page.post(
            "/api/chats",
            {
                "model": "gpu/m",
                "is_temporary": is_temporary,
                "settings": {"system_prompt": "xyzzy-s"},
            },
        )
        chat = made.json()["id"]
        await page.post(f"/api/chats/{chat}/messages", {"content": "xyzzy-question"})

        async def is_complete(chat: str = chat) -> bool:
            shown = (await page.get(f"/api/chats/{chat}")).json()
            return bool(shown["messages"][-1]["status"] == "complete")

        await eventually_async(is_complete)
        shown = (await page.get(f"/api/chats/{chat}")).json()
        assert shown["messages"][-1]["content"] == "You said: xyzzy-question"
        assert shown["is_temporary"] is is_temporary
        await hub.services.chats.tidy()
        if is_temporary:
            assert not is_on_disk("xyzzy")
            assert not is_on_disk(chat)
            assert (await page.get("/api/chats?q=xyzzy")).json()["items"] == []
            assert (await page.delete(f"/api/chats/{chat}")).status == 204
            assert (await page.post(f"/api/chats/{chat}/restore")).status == 404
    await eventually_async(lambda: is_on_disk("xyzzy-question"))


async def test_another_tab_sees_the_messages(
    hub: RunningHub, page: Browser, model: ScriptedModel
) -> None:
    """Pushed as they come, and when they are deleted."""
    chat = await new_chat(page)
    tab = await hub.browser("alice")
    told: list[dict[str, Any]] = []
    async with tab.http.get(f"{tab.url}/api/events", headers=tab.headers) as events:

        async def next_message() -> dict[str, Any]:
            while (await events.content.readline()).strip() != b"event: message":
                pass
            data = await events.content.readline()
            found: dict[str, Any] = json.loads(data.removeprefix(b"data: "))
            told.append(found)
            return found

        while (await events.content.readline()).strip() != b"event: snapshot":
            pass
        sent = (await page.post(f"/api/chats/{chat}/messages", {"content": "hi"})).json()
        async with asyncio.timeout(10):
            while (await next_message())["item"]["message"]["status"] != "complete" or len(
                told
            ) < 3:
                pass
        assert told[0]["item"] == {"chat_id": chat, "message": sent["message"]}
        assert told[-1]["item"]["message"]["content"] == "You said: hi"
        await page.delete(f"/api/chats/{chat}/messages/{sent['message']['id']}")
        async with asyncio.timeout(10):
            assert await next_message() == {
                "op": "delete",
                "item": {"chat_id": chat, "removed": [sent["message"]["id"], sent["reply"]["id"]]},
            }
