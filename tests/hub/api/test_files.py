"""`/api/files`: uploads, and what a browser may do with them."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.fakes import documents as made
from tests.hub.conftest import Answer, Browser, RunningHub, running_hub
from underpass.store import UserRecord


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    """A hub that takes files of 1 MiB, which is less than other requests may have."""
    async with running_hub(
        tmp_path / "data", max_file_bytes=1 << 20, max_api_body_bytes=64 << 10
    ) as running:
        yield running


@pytest.fixture
async def page(hub: RunningHub, alice: UserRecord) -> Browser:
    """alice's browser."""
    return await hub.browser("alice")


async def upload(page: Browser, name: str, data: object, **headers: str) -> Answer:
    """The answer to an upload."""
    sent = {**page.headers, **headers}
    data = io.BytesIO(data) if isinstance(data, bytes) else data
    url = f"{page.url}/api/files"
    async with page.http.post(url, params={"name": name}, data=data, headers=sent) as answer:
        return Answer(answer.status, answer.headers, await answer.read())


async def pieces(size: int) -> AsyncIterator[bytes]:
    """A body whose length is not said ahead."""
    for _ in range(size // 65_536):
        yield b"x" * 65_536


async def test_a_file_from_upload_to_delete(page: Browser) -> None:
    """201 with what it is; its content, its text; gone."""
    data = made.pdf("one", "two")
    added = await upload(page, "Übung 1.pdf", data)
    assert added.status == 201
    file = added.json()
    assert (file["name"], file["kind"], file["pages"]) == ("Übung 1.pdf", "document", 2)
    assert file["bytes"] == len(data)
    assert (await page.get(f"/api/files/{file['id']}")).json() == file
    content = await page.get(f"/api/files/{file['id']}/content")
    assert content.body == data
    assert (await page.get(f"/api/files/{file['id']}/text")).body.decode().split() == ["one", "two"]
    assert (await page.delete(f"/api/files/{file['id']}")).status == 204
    assert (await page.get(f"/api/files/{file['id']}")).status == 404


@pytest.mark.parametrize(
    ("name", "data", "media_type", "how"),
    [
        ("shot.png", made.PNG, "image/png", "inline"),
        ("page.html", b"<script>alert(1)</script>", "application/octet-stream", "attachment"),
        ("pic.svg", b"<svg onload='alert(1)'/>", "application/octet-stream", "attachment"),
        ("a.pdf", made.pdf("x"), "application/octet-stream", "attachment"),
    ],
)
async def test_a_file_is_never_a_page(
    page: Browser, name: str, data: bytes, media_type: str, how: str
) -> None:
    """Whatever it is called and sent as: no type that runs, no sniffing, and a sandbox."""
    file = (await upload(page, name, data, **{"Content-Type": "text/html"})).json()
    content = await page.get(f"/api/files/{file['id']}/content")
    assert content.headers["Content-Type"] == media_type
    assert content.headers["Content-Disposition"] == f"{how}; filename*=UTF-8''{name}"
    assert content.headers["X-Content-Type-Options"] == "nosniff"
    assert content.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    if how == "attachment":
        text = await page.get(f"/api/files/{file['id']}/text")
        assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert "sandbox" in text.headers["Content-Security-Policy"]


async def test_a_name_cannot_end_its_header(page: Browser) -> None:
    """Quotes, line ends and folders are harmless."""
    file = (await upload(page, '../a"\r\nX-Evil: 1;.txt', b"x")).json()
    assert file["name"] == 'a"X-Evil: 1;.txt'
    content = await page.get(f"/api/files/{file['id']}/content")
    assert "X-Evil" not in content.headers
    assert content.headers["Content-Disposition"].endswith("a%22X-Evil%3A%201%3B.txt")


async def test_what_bad_files_get(page: Browser) -> None:
    """Each its status, its code, and what to do."""
    for data, status, code in (
        (b"", 400, "file_empty"),
        (made.locked_pdf("pw"), 400, "file_encrypted"),
        (made.pdf("x")[:80], 400, "file_unreadable"),
        (made.archive({"a": b"a"}), 415, "file_type_unsupported"),
        (b"\x7fELF\x00", 415, "file_type_unsupported"),
        (b"x" * ((1 << 20) + 1), 413, "file_too_big"),
        (pieces(1 << 21), 413, "file_too_big"),
    ):
        answer = await upload(page, "a.bin", data)
        assert (answer.status, answer.code) == (status, code)
        assert answer.json()["hint"]


async def test_a_file_larger_than_other_requests(page: Browser) -> None:
    """Has its own limit, and comes in pieces."""
    answer = await upload(page, "big.txt", pieces(1 << 20))
    assert (answer.status, answer.json()["bytes"]) == (201, 1 << 20)
    other = await page.post("/api/chats", {"title": "x" * (65 << 10)})
    assert other.status == 413


async def test_an_upload_that_breaks_off_leaves_nothing(
    hub: RunningHub, page: Browser, alice: UserRecord
) -> None:
    """The hub goes on."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 65_536
        raise ConnectionResetError

    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await upload(page, "a.txt", broken())
    assert (await upload(page, "b.txt", b"fine")).status == 201
    assert await hub.services.store.files.owned_bytes(alice.id) == 4


async def test_another_users_file(hub: RunningHub, page: Browser, root: UserRecord) -> None:
    """Is not there, for admins neither; nor for whoever is not signed in."""
    file = (await upload(page, "a.txt", b"mine")).json()
    admin = await hub.browser("root")
    for path in ("", "/content", "/text"):
        answer = await admin.get(f"/api/files/{file['id']}{path}")
        assert (answer.status, answer.code) == (404, "not_found")
        assert (await (await hub.browser()).get(f"/api/files/{file['id']}{path}")).status == 401
    assert (await admin.delete(f"/api/files/{file['id']}")).status == 404
    program = await hub.program(await hub.key(root, "read"))
    assert (await upload(program, "a.txt", b"x")).status == 403
