"""The reader's process: what it says is believed only so far, and it never outlives its time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.fakes import documents as made
from underpass.chat.files import reading as reading_module
from underpass.chat.files.media import DOCX, PDF, ZIP
from underpass.chat.files.reading import Readers, _reading
from underpass.core.errors import AppError, TooMany


async def content(data: bytes) -> AsyncIterator[bytes]:
    """In pieces, as a spool gives it."""
    for start in range(0, len(data), 4096):
        yield data[start : start + 4096]


async def test_a_document_is_read_in_a_process_of_its_own() -> None:
    """With the same libraries as here, wherever the hub was started."""
    read = await Readers().read(content(made.word()), ZIP)
    assert read.media_type == DOCX
    assert read.text.startswith("Grüße from Word")


async def test_a_document_that_unpacks_into_all_memory() -> None:
    """Ends its reader, and is said to be unreadable; the hub's memory is not touched."""
    bomb = made.bomb(120 << 20)
    assert len(bomb) < 1 << 20
    with pytest.raises(AppError) as caught:
        await Readers(memory_bytes=200 << 20).read(content(bomb), ZIP)
    assert caught.value.code == "file_unreadable"
    assert "memory" in caught.value.message


async def test_deep_xml() -> None:
    """Is refused by the parser, or ends its process."""
    deep = made.archive({"word/document.xml": b"<w>" * 200_000})
    with pytest.raises(AppError) as caught:
        await Readers().read(content(deep), ZIP)
    assert caught.value.code == "file_unreadable"


async def test_a_reader_has_its_time() -> None:
    """The loop is free meanwhile, and no process is left (the whole run checks that)."""
    with pytest.raises(AppError) as caught:
        await Readers(time_s=0.01).read(content(made.pdf("x")), PDF)
    assert (caught.value.code, caught.value.http_status) == ("file_unreadable", 400)
    assert "too long" in caught.value.message


async def test_an_upload_that_breaks_off_ends_its_reader() -> None:
    """The error is the upload's."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"%PDF-"
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        await Readers().read(broken(), PDF)


async def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is told when to try again."""
    monkeypatch.setattr(reading_module, "MOST_WAITING", 1)
    readers = Readers()
    gate = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        await gate.wait()
        yield made.pdf("x")

    first = asyncio.create_task(readers.read(slow(), PDF))
    await asyncio.sleep(0)
    with pytest.raises(TooMany) as caught:
        await readers.read(content(made.pdf("y")), PDF)
    assert caught.value.retry_after_s
    gate.set()
    assert (await first).text == "x"


@pytest.mark.parametrize(
    ("said", "code", "status"),
    [
        ({"problem": "encrypted"}, "file_encrypted", 400),
        ({"problem": "damaged"}, "file_unreadable", 400),
        ({"problem": "memory"}, "file_unreadable", 400),
        ({"problem": "too_big"}, "file_too_big", 413),
        ({"problem": "unsupported"}, "file_type_unsupported", 415),
        ({"problem": ["?"]}, "file_unreadable", 400),
        ({"text": 1, "media_type": PDF}, "file_unreadable", 400),
        ({"text": "x", "media_type": "text/html"}, "file_unreadable", 400),
        ("text", "file_unreadable", 400),
    ],
)
def test_what_the_reader_may_say(said: object, code: str, status: int) -> None:
    """Each problem has its code and what to do; anything strange is "unreadable"."""
    with pytest.raises(AppError) as caught:
        _reading(said)
    assert (caught.value.code, caught.value.http_status) == (code, status)
    assert caught.value.hint
