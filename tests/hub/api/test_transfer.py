"""`/api/chats/…/export` and `/api/chats/import`."""

import io

import pytest

from tests.hub.conftest import Browser, RunningHub
from underpass.chat.imports import MAX_IMPORT_BYTES
from underpass.store import ChatRecord, MessageRecord, UserRecord


@pytest.fixture
async def page(hub: RunningHub, alice: UserRecord) -> Browser:
    """alice's browser; she has a chat that is larger than other bodies may be."""
    chat = ChatRecord(id="cht_1", owner_id=alice.id, created_at=1.0, updated_at=1.0, title="Große")
    text = "größer " * 400_000
    message = MessageRecord(id="msg_1", chat_id="cht_1", role="user", content=text, created_at=1.0)
    await hub.services.store.messages.add_chats([(chat, [message])])
    return await hub.browser("alice")


async def send(page: Browser, body: bytes, media_type: str) -> tuple[int, str]:
    """(status, text) of an import."""
    headers = {**page.headers, "Content-Type": media_type}
    url, data = f"{page.url}/api/chats/import", io.BytesIO(body)
    async with page.http.post(url, data=data, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_there_and_back(page: Browser) -> None:
    """Both kinds of file, as downloads with a name, and all chats at once."""
    for path, media_type, name in (
        ("/api/chats/cht_1/export?format=json", "application/json", "Groe.json"),
        ("/api/chats/cht_1/export?format=markdown", "text/markdown; charset=utf-8", "Groe.md"),
        ("/api/chats/export", "application/json", "chats.json"),
    ):
        answer = await page.get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, media_type)
        assert f'attachment; filename="{name}"' in answer.headers["Content-Disposition"]
        assert len(answer.body) > 2 << 20
        status, text = await send(page, answer.body, media_type)
        assert status == 201, text[:200]
    chats = (await page.get("/api/chats")).json()["items"]
    # The third file held the first chat and the two copies.
    assert [chat["title"] for chat in chats] == ["Große"] * 6
    assert len({chat["id"] for chat in chats}) == 6


async def test_what_bad_input_gets(page: Browser) -> None:
    """A sentence with a code, and nothing is stored."""
    for body, media_type, status, code in (
        (b"{}", "application/json", 400, "import_unreadable"),
        (b"[" * 1_000_000, "application/json", 400, "import_unreadable"),
        (b"# Notes", "text/markdown", 400, "import_unreadable"),
        (b"{}", "image/png", 400, "invalid_request"),
        (b"", "application/json", 400, "import_unreadable"),
        (b" " * (MAX_IMPORT_BYTES + 1), "application/json", 413, "too_large"),
    ):
        found, text = await send(page, body, media_type)
        assert (found, f'"code":"{code}"' in text.replace(" ", "")) == (status, True), text[:200]
    assert len((await page.get("/api/chats")).json()["items"]) == 1
    assert (await page.get("/api/chats/cht_1/export?format=pdf")).status in (400, 422)
    assert (await page.get("/api/chats/cht_none/export")).status == 404
