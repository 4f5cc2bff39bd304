"""What `/api/chats` gives out has the shapes that it promises, quickly, whatever is put in."""

import time

import pytest

from tests.fakes.model import ScriptedModel
from tests.hub.conftest import Browser, RunningHub
from underpass.hub.api.chat_shapes import MessageOut, ReadChatOut, SentOut, WholeChatOut
from underpass.store import ChatRecord, MessageRecord, UserRecord


@pytest.fixture
async def page(hub: RunningHub, alice: UserRecord) -> Browser:
    """alice's browser."""
    return await hub.browser("alice")


def strict(document: object, shape: type[WholeChatOut]) -> None:
    """The document is of this shape, with every member there and none that is not in it."""
    assert shape.model_validate(document).model_dump(mode="json", exclude_unset=True) == document
    assert isinstance(document, dict)
    assert set(document) | {"match"} == set(shape.model_fields)
    for message in document["messages"]:
        assert set(message) == set(MessageOut.model_fields)


async def test_a_chat_of_two_thousand_messages(
    hub: RunningHub, page: Browser, alice: UserRecord
) -> None:
    """Opens at once: 0.1 s of one core where it was measured, and a second is the bound."""
    chat = ChatRecord(id="cht_1", owner_id=alice.id, created_at=1.0, updated_at=1.0, title="Long")
    messages = [
        MessageRecord(
            id=f"msg_{n:04}",
            chat_id="cht_1",
            parent_id=f"msg_{n - 1:04}" if n else None,
            role="assistant" if n % 2 else "user",
            content="words " * 200,
            usage={"completion_tokens": 200},
            timings={"first_token_s": 0.1, "tokens_per_s": 9.0, "duration_s": 1.0},
            created_at=float(n),
        )
        for n in range(2_000)
    ]
    await hub.services.store.messages.add_chats([(chat, messages)])
    took_s = []
    for _ in range(3):
        began = time.process_time()
        answer = await page.get("/api/chats/cht_1")
        took_s.append(time.process_time() - began)
    assert min(took_s) < 1.0
    document = answer.json()
    strict(document, ReadChatOut)
    assert [message["id"] for message in document["messages"]] == [one.id for one in messages]


async def test_what_is_sent_and_continued(page: Browser, model: ScriptedModel) -> None:
    """The reply goes on in the same message; a stopped answer is not lost."""
    model.is_scripted = True
    chat = (await page.post("/api/chats", {"model": "gpu/m"})).json()["id"]
    sent = (await page.post(f"/api/chats/{chat}/messages", {"content": "hi"})).json()
    speaker = await model.asked()
    await speaker.say("half")
    reply, run = sent["reply"]["id"], sent["run"]["id"]
    async with page.http.get(f"{page.url}/api/runs/{run}/events", headers=page.headers) as events:
        while b"half" not in await events.content.readline():
            pass
    stopped = await page.post(f"/api/runs/{run}/stop")
    assert stopped.json()["status"] == "stopped"
    path = f"/api/chats/{chat}/messages/{reply}/continue"
    answer = await page.post(path, {})
    assert answer.status == 202
    SentOut.model_validate(answer.json())
    assert answer.json()["reply"]["continued_chars"] == 4
    assert (await page.post(path, {})).code == "answer_in_progress"
    speaker = await model.asked()
    # The fake's kind of server is not known, so it is asked in words.
    assert [one["role"] for one in speaker.asked["messages"]] == ["user", "assistant", "user"]
    await speaker.finish(" and whole")
    again = answer.json()["run"]["id"]
    async with page.http.get(f"{page.url}/api/runs/{again}/events", headers=page.headers) as events:
        body = (await events.read()).decode()
    assert '"text":" and whole"' in body
    shown = (await page.get(f"/api/chats/{chat}")).json()
    strict(shown, ReadChatOut)
    assert shown["messages"][-1]["content"] == "half and whole"
    assert shown["head_id"] == reply
    assert (await page.post(path, {})).code == "not_continuable"
    assert (await page.delete(f"/api/chats/{chat}/messages/{reply}")).status == 204
    restored = await page.post(f"/api/chats/{chat}/messages/{reply}/restore")
    assert [one["id"] for one in restored.json()["items"]] == [reply]
    fork = await page.post(f"/api/chats/{chat}/fork", {"message_id": reply})
    assert fork.status == 201
    strict({name: value for name, value in fork.json().items() if name != "match"}, WholeChatOut)


async def test_folders_and_search(page: Browser) -> None:
    """Filed, pinned, archived; found with the place marked; whatever is asked is no error."""
    chat = (await page.post("/api/chats", {"title": "About foxes", "folder": "Animals"})).json()
    changed = await page.patch(f"/api/chats/{chat['id']}", {"is_archived": True, "is_pinned": True})
    assert changed.json()["is_archived"]
    assert (await page.get("/api/chats")).json()["items"] == []
    assert len((await page.get("/api/chats?archived=all&folder=Animals")).json()["items"]) == 1
    assert (await page.get("/api/chats?archived=maybe")).status in (400, 422)
    await page.patch(f"/api/chats/{chat['id']}", {"is_archived": False})
    assert (await page.get("/api/chats/folders")).json()["items"] == [
        {"name": "Animals", "chats": 1}
    ]
    (found,) = (await page.get("/api/chats?q=fox")).json()["items"]
    assert found["match"] == {"message_id": None, "text": "About foxes", "spans": [[6, 9]]}
    for hostile in (
        "%22",
        "%27",
        "*",
        "%00",
        "%ED%A0%80",
        "a%20AND",
        "%5C",
        "%F0%9F%9A%87",
        "(" * 500,
    ):
        assert (await page.get(f"/api/chats?q={hostile}")).status == 200, hostile
        assert (await page.get(f"/api/chats?q=fox&after={hostile[:100]}")).status == 200, hostile


@pytest.mark.parametrize("field", ["title", "folder", "model", "settings", "content"])
async def test_half_a_character(page: Browser, model: ScriptedModel, field: str) -> None:
    """Is mended: JSON can hold it, and neither a database nor an answer."""
    value = {"system_prompt": "x\ud800"} if field == "settings" else "x\ud800"
    is_content = field == "content"
    body = {"title": "T", "model": "gpu/m"} | ({} if is_content else {field: value})
    made = await page.post("/api/chats", body)
    assert made.status == 201, made
    path = f"/api/chats/{made.json()['id']}"
    if is_content:
        assert (await page.post(f"{path}/messages", {"content": value})).status == 202
    elif field != "model":
        assert (await page.patch(path, {field: value})).status == 200
    shown = await page.get(path)
    assert shown.status == 200
    assert "\ufffd" in shown.body.decode()
    assert (await page.get("/api/chats")).status == 200


async def test_a_body_that_is_nested_too_deep(page: Browser) -> None:
    """Is refused, and is no error of the hub."""
    body = ('{"settings": ' + '{"x": ' * 5_000 + "1" + "}" * 5_000 + "}").encode()
    headers = {**page.headers, "Content-Type": "application/json"}
    async with page.http.post(f"{page.url}/api/chats", data=body, headers=headers) as answer:
        assert answer.status in (400, 422)
