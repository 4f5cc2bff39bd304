"""Files of users: bounds, owners, and what a model gets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes import documents as made
from tests.fakes.chats import ChatRig, open_rig
from tests.fakes.registry import ANN, BOB
from underpass.chat.files import parts
from underpass.chat.files import service as service_module
from underpass.chat.files.service import Files
from underpass.core.clock import SystemClock
from underpass.core.errors import AppError, Conflict, InvalidRequest, NotFound, TooMany
from underpass.core.principal import Principal
from underpass.store import ChatRecord, MessageRecord

ADMIN = Principal("usr_root", "root", is_admin=True)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[ChatRig]:
    """A chat service on a store."""
    async with open_rig(tmp_path) as rig:
        yield rig


@pytest.fixture
def files(rig: ChatRig) -> Files:
    """Files with small bounds."""
    return Files(rig.store, SystemClock(), max_file_bytes=100_000, max_owned_bytes=150_000)


async def content(data: bytes) -> AsyncIterator[bytes]:
    """As it comes over the wire."""
    for start in range(0, len(data), 4096):
        yield data[start : start + 4096]


async def add(files: Files, data: bytes, name: str = "a.txt") -> str:
    """The id of a new file of ann's."""
    return str((await files.upload(ANN, name, content(data)))["id"])


async def test_a_file_comes_out_as_it_went_in(files: Files) -> None:
    """Name, kind, numbers, bytes and text."""
    data = ("x" * 9_000 + "ü\n").encode()
    told = await files.upload(ANN, "/tmp/notes.md", content(data))
    assert (told["name"], told["kind"], told["media_type"]) == ("notes.md", "text", "text/plain")
    assert (told["bytes"], told["text_chars"], told["pages"]) == (len(data), 9_002, None)
    _, stored = await files.content(ANN, told["id"])
    assert b"".join([part async for part in stored]) == data
    assert await files.text(ANN, told["id"]) == data.decode()
    document = await files.upload(ANN, "a.pdf", content(made.pdf("one", "two")))
    assert (document["kind"], document["pages"]) == ("document", 2)
    assert "one" in await files.text(ANN, document["id"])
    picture = await files.upload(ANN, "a.txt", content(made.PNG))
    assert (picture["kind"], picture["text_chars"]) == ("image", None)
    with pytest.raises(NotFound, match="is a picture"):
        await files.text(ANN, picture["id"])


async def test_what_is_refused_leaves_nothing(files: Files, rig: ChatRig) -> None:
    """Empty, too big, encrypted, damaged, of another type, without a word, over one's room."""
    for data, code in (
        (b"", "file_empty"),
        (b" \n\t ", "file_unreadable"),
        (b"x" * 100_001, "file_too_big"),
        (made.locked_pdf("pw"), "file_encrypted"),
        (made.pdf("x")[:60], "file_unreadable"),
        (made.pdf(""), "file_unreadable"),
        (b"\x7fELF\x00\x00", "file_type_unsupported"),
        (b"text at first" + b"x" * 5000 + b"\x00", "file_type_unsupported"),
    ):
        with pytest.raises(AppError) as caught:
            await add(files, data)
        assert caught.value.code == code
        assert caught.value.hint
    assert await rig.store.files.owned_bytes(ANN.user_id) == 0
    await add(files, b"x" * 90_000)
    with pytest.raises(AppError) as full:
        await add(files, b"x" * 90_000)
    assert (full.value.code, full.value.http_status) == ("files_full", 413)


async def test_two_at_once_find_the_last_room_once(files: Files, rig: ChatRig) -> None:
    """One of them is told that it is taken."""
    two = [add(files, b"x" * 90_000, name) for name in ("a.txt", "b.txt")]
    found = await asyncio.gather(*two, return_exceptions=True)
    refused = [one for one in found if isinstance(one, AppError)]
    assert [one.code for one in refused] == ["files_full"]
    assert await rig.store.files.owned_bytes(ANN.user_id) == 90_000


async def test_a_long_text_is_cut(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is told that the file goes on; the file itself is kept whole."""
    monkeypatch.setattr(service_module, "MAX_CHARS", 10)
    file_id = await add(files, b"0123456789abc")
    text = await files.text(ANN, file_id)
    assert text.startswith("0123456789\n")
    assert "goes on" in text
    assert (await files.get(ANN, file_id)).bytes == 13


async def test_strangers_and_admins_get_not_found(files: Files) -> None:
    """For every verb, in the words for an id that never was."""
    file_id = await add(files, b"mine")
    for caller, wanted in ((BOB, file_id), (ADMIN, file_id), (ANN, "fil_none")):
        for verb in (
            files.get(caller, wanted),
            files.content(caller, wanted),
            files.text(caller, wanted),
            files.remove(caller, wanted),
            files.attached(caller, [wanted]),
        ):
            with pytest.raises(NotFound) as caught:
                await verb
            assert caught.value.message == f"There is no file '{wanted}'."
    body = {"messages": [{"role": "user", "content": [parts.place(await one(files, file_id))]}]}
    shown = await files.fill(BOB.user_id, body, True)
    assert "mine" not in str(shown)


async def one(files: Files, file_id: str) -> parts.Json:
    """The file as a message keeps it."""
    return (await files.attached(ANN, [file_id]))[0]


async def test_what_the_model_gets(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest files first; what does not fit, is gone or is not seen is named."""
    old, new = await add(files, b"old text", "old.txt"), await add(files, b"new text", "new.txt")
    shot = await add(files, made.PNG, "shot.png")
    gone = {**await one(files, old), "id": "fil_gone", "name": "gone.txt"}
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [parts.place(await one(files, old)), parts.words("1")]},
            {"role": "assistant", "content": "ok"},
            {
                "role": "user",
                "content": [
                    parts.place(await one(files, new)),
                    parts.place(await one(files, shot)),
                    parts.place(gone),
                    parts.words("2"),
                ],
            },
        ],
    }
    whole = await files.fill(ANN.user_id, body, True)
    assert "old text" in whole["messages"][0]["content"]
    assert [part["type"] for part in whole["messages"][2]["content"]] == [
        *("text", "image_url", "text", "text"),
    ]
    assert "gone.txt" in str(whole)
    assert parts.PLACE not in str(whole)
    monkeypatch.setattr(parts, "MAX_TEXT_CHARS", 8)
    bounded = await files.fill(ANN.user_id, body, False)
    assert "old text" not in str(bounded)
    assert "new text" in str(bounded)
    assert '"shot.png" is left out: this model does not take pictures' in str(bounded)
    assert isinstance(bounded["messages"][2]["content"], str)


async def test_a_message_takes_only_so_many(files: Files) -> None:
    """The same one twice is one."""
    file_id = await add(files, b"x")
    assert len(await files.attached(ANN, [file_id, file_id])) == 1
    with pytest.raises(InvalidRequest) as caught:
        await files.attached(ANN, [f"fil_{number}" for number in range(21)])
    assert caught.value.code == "too_many_files"


async def test_a_file_goes_with_its_message(files: Files, rig: ChatRig) -> None:
    """While a message has it, it cannot be removed; afterwards it is gone by itself."""
    file_id, spare = await add(files, b"x"), await add(files, b"y")
    await rig.store.chats.add(
        ChatRecord(id="cht_1", owner_id=ANN.user_id, created_at=1.0, updated_at=1.0)
    )
    message = MessageRecord(
        id="msg_1",
        chat_id="cht_1",
        role="user",
        created_at=1.0,
        attachments=await files.attached(ANN, [file_id]),
    )
    await rig.store.messages.add_all((message,))
    with pytest.raises(Conflict) as caught:
        await files.remove(ANN, file_id)
    assert caught.value.code == "file_in_use"
    await rig.store.chats.remove("cht_1")
    await files.tidy()
    with pytest.raises(NotFound):
        await files.get(ANN, file_id)
    assert await files.get(ANN, spare)  # a day has not gone by
    await files.remove(ANN, spare)
    with pytest.raises(NotFound):
        await files.get(ANN, spare)


async def test_only_so_many_come_into_memory_at_a_time(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of temporary chats; one that ends, in whatever way, makes room."""
    monkeypatch.setattr(service_module, "MAX_IN_MEMORY", 1)

    async def nested() -> AsyncIterator[bytes]:
        yield b"x"
        with pytest.raises(TooMany):
            await files.upload(ANN, "b.txt", content(b"y"), is_temporary=True)
        await files.upload(ANN, "c.txt", content(b"z"))
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await files.upload(ANN, "a.txt", nested(), is_temporary=True)
    assert await files.upload(ANN, "b.txt", content(b"y"), is_temporary=True)
