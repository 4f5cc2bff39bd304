"""Real documents, made by the libraries that others write theirs with, and a PDF by hand."""

from __future__ import annotations

import io
import zipfile

import docx
import openpyxl
import pptx
from pypdf import PdfReader, PdfWriter

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0"
    "f01f00050001ff56c7d2f60000000049454e44ae426082"
)
_ODF = "urn:oasis:names:tc:opendocument:xmlns"


def pdf(*pages: str) -> bytes:
    """A PDF with a line of text on each page."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300]"
            f" /Contents {5 + 2 * number} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        drawn = f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET"
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode()
    return bytes(out)


def locked_pdf(password: str) -> bytes:
    """A PDF that asks for a password, or for none if it is empty."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("secret"))))
    writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
    return _saved(writer.write)


def word() -> bytes:
    """A Word document: a paragraph, a table, a paragraph."""
    document = docx.Document()
    document.add_paragraph("Grüße from Word")
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    document.add_paragraph("the end")
    return _saved(document.save)


def sheet(rows: int = 2) -> bytes:
    """An Excel workbook of one sheet."""
    book = openpyxl.Workbook()
    active = book.active
    assert active is not None
    active.title = "Numbers"
    for number in range(rows):
        active.append([f"row {number}", number, None])
    return _saved(book.save)


def slides() -> bytes:
    """A presentation of one slide, with a note."""
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[0])
    assert slide.shapes.title is not None
    slide.shapes.title.text = "Hello slide"
    frame = slide.notes_slide.notes_text_frame
    assert frame is not None
    frame.text = "say hi"
    return _saved(show.save)


def odt(
    content: str = "<text:h>Title</text:h><text:p>Hello <text:span>ODT</text:span></text:p>",
) -> bytes:
    """An OpenDocument text."""
    xml = (
        f'<office:document-content xmlns:office="{_ODF}:office:1.0" xmlns:text="{_ODF}:text:1.0">'
        f"<office:body><office:text>{content}</office:text></office:body></office:document-content>"
    )
    return archive(
        {
            "mimetype": b"application/vnd.oasis.opendocument.text",
            "content.xml": xml.encode(),
            "META-INF/manifest.xml": b"<manifest/>",
        }
    )


def bomb(size: int) -> bytes:
    """An OpenDocument text of one paragraph of `size` bytes, made without holding them."""
    begin, end = odt("<text:p>|</text:p>"), io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(begin)) as small,
        zipfile.ZipFile(end, "w", 8, compresslevel=1) as large,
    ):
        large.writestr("mimetype", small.read("mimetype"))
        large.writestr("META-INF/manifest.xml", b"<manifest/>")
        head, _, tail = small.read("content.xml").partition(b"|")
        with large.open("content.xml", "w") as content:
            content.write(head)
            for _ in range(size >> 20):
                content.write(b"x" * (1 << 20))
            content.write(tail)
    return end.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    """A ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return out.getvalue()


def _saved(save: object) -> bytes:
    out = io.BytesIO()
    assert callable(save)
    save(out)
    return out.getvalue()
