"""What a file is: by its bytes alone."""

import pytest

from tests.fakes.documents import PNG, pdf, word
from underpass.chat.files.media import PDF, ZIP
from underpass.chat.files.sniff import decode, file_name, sniff
from underpass.core.errors import InvalidRequest, UnsupportedMedia
from underpass.store import FileKind


@pytest.mark.parametrize(
    ("head", "kind", "media_type"),
    [
        (PNG, FileKind.IMAGE, "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", FileKind.IMAGE, "image/jpeg"),
        (b"GIF89a\x01\x00\x01\x00", FileKind.IMAGE, "image/gif"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", FileKind.IMAGE, "image/webp"),
        (pdf("x"), FileKind.DOCUMENT, PDF),
        (b"\n\n" + pdf("x"), FileKind.DOCUMENT, PDF),
        (word(), FileKind.DOCUMENT, ZIP),
        (b"print('hi')\n", FileKind.TEXT, "text/plain"),
        (b"<svg onload='alert(1)'></svg>", FileKind.TEXT, "text/plain"),
        ("größer 日本".encode(), FileKind.TEXT, "text/plain"),
        ("größer".encode("utf-16"), FileKind.TEXT, "text/plain"),
        ("größer".encode("cp1252"), FileKind.TEXT, "text/plain"),
    ],
)
def test_what_it_is(head: bytes, kind: FileKind, media_type: str) -> None:
    """A name or a Content-Type that says otherwise is not even asked for."""
    found = sniff(head[:4096])
    assert (found.kind, found.media_type) == (kind, media_type)


def test_what_is_refused() -> None:
    """Nothing, an old or encrypted Office document, a program: each with its code."""
    for head, kind, code in (
        (b"", InvalidRequest, "file_empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), InvalidRequest, "file_encrypted"),
        (b"\x89PNG\r\n\x1a\nnope", InvalidRequest, "file_unreadable"),
        (PNG[:16] + bytes(8) + PNG[24:], InvalidRequest, "file_unreadable"),
        (b"\xff\xd8\xff\x00", InvalidRequest, "file_unreadable"),
        (b"GIF89a", InvalidRequest, "file_unreadable"),
        (b"RIFF\x24\x00\x00\x00WEBPnope", InvalidRequest, "file_unreadable"),
        (b"\x7fELF\x02\x01\x01\x00", UnsupportedMedia, "file_type_unsupported"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", UnsupportedMedia, "file_type_unsupported"),
    ):
        with pytest.raises(kind) as caught:
            sniff(head)
        assert caught.value.code == code
        assert caught.value.hint


def test_text_of_any_old_encoding() -> None:
    """UTF-8 with and without its mark, UTF-16 with it, and what Windows wrote for decades."""
    for data in (
        "größer".encode(),
        b"\xef\xbb\xbf" + "größer".encode(),
        "größer".encode("utf-16"),
        "größer".encode("cp1252"),
    ):
        assert decode(data) == "größer"
    with pytest.raises(UnsupportedMedia):
        decode(b"begins as text" + bytes(3))


def test_names() -> None:
    """No folders, no controls, no dots in front, and an ending that stays."""
    assert file_name("../../etc/passwd") == "passwd"
    assert file_name("C:\\Users\\a\\notes.txt") == "notes.txt"
    assert file_name("a\x00b\r\n.txt") == "ab.txt"
    assert file_name("..") == "file"
    assert file_name("") == "file"
    long = file_name("x" * 500 + ".py")
    assert len(long) == 200
    assert long.endswith("x.py")
