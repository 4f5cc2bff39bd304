"""What a file is, by its bytes; its name and what the sender calls it decide nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from underpass.chat.files.media import PDF, WHAT_WORKS, ZIP
from underpass.core.errors import InvalidRequest, UnsupportedMedia
from underpass.store import FileKind

SNIFF_BYTES = 4096
"""How much of a file's beginning tells what it is."""
MAX_NAME_CHARS = 200

_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# With a byte order mark: UTF-16 is text too, though it is full of NULs.
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# What text never holds, and what is not text usually begins with.
_CONTROLS = bytes(sorted(set(range(32)) - {8, 9, 10, 11, 12, 13, 27}))


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a file looks like. A ZIP is told apart by whoever looks inside."""

    kind: FileKind
    media_type: str


def sniff(head: bytes) -> Sniffed:
    """What the beginning of a file says. Raises InvalidRequest (empty, a broken picture),
    UnsupportedMedia."""
    if not head:
        raise InvalidRequest(
            "The file is empty.", code="file_empty", hint="Look whether it was saved."
        )
    picture = _picture(head)
    if picture is not None:
        if not _has_a_size(head):
            raise InvalidRequest(
                "The picture is damaged.",
                code="file_unreadable",
                hint="Open it, save it anew, and add that.",
            )
        return Sniffed(FileKind.IMAGE, picture)
    # Readers of PDF take it with a little something ahead of it.
    if b"%PDF-" in head[:1024]:
        return Sniffed(FileKind.DOCUMENT, PDF)
    if head.startswith(b"PK\x03\x04"):
        return Sniffed(FileKind.DOCUMENT, ZIP)
    if head.startswith(_OLD_OFFICE):
        raise InvalidRequest(
            "The file is an encrypted document or one of an old Office format (.doc, .xls, .ppt).",
            code="file_encrypted",
            hint="Save it without a password as .docx, .xlsx or .pptx and add that.",
        )
    if _looks_like_text(head):
        return Sniffed(FileKind.TEXT, "text/plain")
    raise UnsupportedMedia("The file is of a type that cannot be read here.", hint=WHAT_WORKS)


def decode(data: bytes) -> str:
    """A text file as text: UTF-8, UTF-16 with its mark, else the Western eight-bit one.

    Raises UnsupportedMedia for what turns out to be no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if _has_controls(data):
        raise UnsupportedMedia("The file is of a type that cannot be read here.", hint=WHAT_WORKS)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def file_name(name: str) -> str:
    """A name that is safe to show and to save under: no folders, no controls, not too long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    clean = "".join(c for c in last if c.isprintable()).strip().strip(".")
    if len(clean) > MAX_NAME_CHARS:
        stem, dot, ending = clean.rpartition(".")
        keeps_ending = bool(dot) and len(ending) <= 10
        clean = (
            stem[: MAX_NAME_CHARS - len(ending) - 1] + dot + ending
            if keeps_ending
            else clean[:MAX_NAME_CHARS]
        )
    return clean or "file"


def _picture(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def _has_a_size(head: bytes) -> bool:
    """Whether a picture goes on as its kind does, as far as where its size stands. What is broken
    further down is for the model server to say; pictures are not decoded here."""
    if head.startswith(b"\x89PNG"):
        return (
            head[12:16] == b"IHDR"
            and len(head) >= 24
            and bytes(4)
            not in (
                head[16:20],
                head[20:24],
            )
        )
    if head.startswith(b"\xff\xd8"):
        return len(head) > 4 and head[3] >= 0xC0
    if head.startswith(b"GIF8"):
        return len(head) >= 10
    return head[12:16] in (b"VP8 ", b"VP8L", b"VP8X")


def _looks_like_text(head: bytes) -> bool:
    if head.startswith(tuple(mark for mark, _ in _MARKS)):
        return True
    return not _has_controls(head)


def _has_controls(data: bytes) -> bool:
    """A pass over 20 MiB takes hundredths of a second; byte by byte in Python it is a second."""
    return len(data.translate(None, _CONTROLS)) < len(data)
