"""PDF and Office documents → text. Runs in the reader's process alone.

Each library is imported where it is used: the hub imports this module for its constants and none
of them. Everything writes into a `Text`, which ends the reading once there is enough.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any
from xml.etree import ElementTree as ET

from underpass.chat.files.media import DOCX, ODT, PDF, PPTX, XLSX

MAX_CHARS = 1_000_000
"""What is kept of a document's text: more than any model reads at once."""
MAX_UNPACKED_BYTES = 512 << 20
MAX_MEMBERS = 20_000
_CUT = "\n\n[The file goes on; this is what fits.]"
_ODF = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"


class Encrypted(Exception):
    """The document asks for a password."""


class TooBig(Exception):
    """The document unpacks to more than anybody means to send."""


class Unsupported(Exception):
    """An archive that is no document."""


class Enough(Exception):
    """The text is as long as it may get."""


class Text:
    """The text so far."""

    def __init__(self, most_chars: int = MAX_CHARS) -> None:
        self.pages: int | None = None
        self._left = most_chars
        self._parts: list[str] = []

    def line(self, text: str) -> None:
        """One more line. Raises Enough."""
        self._parts.append(text[: self._left] + "\n")
        self._left -= len(text) + 1
        if self._left <= 0:
            self._parts.append(_CUT)
            raise Enough

    def __str__(self) -> str:
        return "".join(self._parts).strip()


def read_document(file: IO[bytes], media_type: str) -> tuple[str, Text]:
    """The media type (a ZIP's is found inside) and the text. Raises the classes above, or
    whatever a library says of a file that is damaged."""
    if media_type != PDF:
        media_type = office_type(file)
    file.seek(0)
    text = Text()
    try:
        READERS[media_type](file, text)
    except Enough:
        pass
    return media_type, text


def office_type(file: IO[bytes]) -> str:
    """Which kind of document a ZIP is, by what is in it. Raises TooBig, Encrypted, Unsupported."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise TooBig
        # What it says of itself; the limit of memory is for those that lie.
        if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
            raise TooBig
        if any(member.flag_bits & 1 for member in members):
            raise Encrypted
        names = {member.filename for member in members}
        if "mimetype" in names:
            is_odt = archive.read("mimetype").strip() == ODT.encode()
            if is_odt and b"manifest:encryption-data" in archive.read("META-INF/manifest.xml"):
                raise Encrypted
            return _known(ODT if is_odt else "")
    for marker, media_type in _MARKERS.items():
        if marker in names:
            return media_type
    return _known("")


def _known(media_type: str) -> str:
    if not media_type:
        raise Unsupported
    return media_type


def _pdf(file: IO[bytes], text: Text) -> None:
    from pypdf import PdfReader

    reader = PdfReader(file)
    # Many files are encrypted with no password at all, only to forbid printing.
    if reader.is_encrypted and not reader.decrypt(""):
        raise Encrypted
    text.pages = len(reader.pages)
    for page in reader.pages:
        text.line(page.extract_text().strip() + "\n")


def _docx(file: IO[bytes], text: Text) -> None:
    from docx import Document
    from docx.table import Table

    for block in Document(file).iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                text.line(_row([cell.text for cell in row.cells]))
            text.line("")
        else:
            text.line(block.text)


def _xlsx(file: IO[bytes], text: Text) -> None:
    from openpyxl import load_workbook

    book = load_workbook(file, read_only=True, data_only=True)
    text.pages = len(book.worksheets)
    for sheet in book.worksheets:
        text.line(f"# {sheet.title}")
        for values in sheet.iter_rows(values_only=True):
            cells = ["" if value is None else str(value) for value in values]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                text.line(_row(cells))
        text.line("")


def _pptx(file: IO[bytes], text: Text) -> None:
    from pptx import Presentation

    slides = Presentation(file).slides
    text.pages = len(slides)
    for number, slide in enumerate(slides, 1):
        text.line(f"# Slide {number}")
        for shape in _shapes(slide.shapes):
            if shape.has_text_frame:
                text.line(shape.text_frame.text)
            if getattr(shape, "has_table", False):
                for row in shape.table.rows:
                    text.line(_row([cell.text for cell in row.cells]))
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            text.line(f"Notes: {slide.notes_slide.notes_text_frame.text}")
        text.line("")


def _shapes(shapes: Any) -> Iterator[Any]:
    """All shapes, those in groups too."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        else:
            yield shape


def _odt(file: IO[bytes], text: Text) -> None:
    with zipfile.ZipFile(file) as archive, archive.open("content.xml") as content:
        for _, element in ET.iterparse(content):  # noqa: S314 (in the reader's process)
            if element.tag in (_ODF + "p", _ODF + "h"):
                text.line("".join(element.itertext()))
                element.clear()


def _row(cells: list[str]) -> str:
    return " | ".join(" ".join(cell.split()) for cell in cells)


READERS: dict[str, Callable[[IO[bytes], Text], None]] = {
    PDF: _pdf,
    DOCX: _docx,
    XLSX: _xlsx,
    PPTX: _pptx,
    ODT: _odt,
}
_MARKERS = {"word/document.xml": DOCX, "xl/workbook.xml": XLSX, "ppt/presentation.xml": PPTX}
