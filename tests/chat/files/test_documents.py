"""Documents → text, each kind with a real one."""

import io

import pytest

from tests.fakes import documents as made
from underpass.chat.files import documents
from underpass.chat.files.media import DOCX, ODT, PDF, PPTX, XLSX, ZIP


@pytest.mark.parametrize(
    ("data", "media_type", "pages", "words"),
    [
        (made.pdf("Hello PDF", "page two"), PDF, 2, ["Hello PDF", "page two"]),
        (made.locked_pdf(""), PDF, 1, ["secret"]),
        (made.word(), DOCX, None, ["Grüße from Word", "left | right", "the end"]),
        (made.sheet(), XLSX, 1, ["# Numbers", "row 0 | 0", "row 1 | 1"]),
        (made.slides(), PPTX, 1, ["# Slide 1", "Hello slide", "Notes: say hi"]),
        (made.odt(), ODT, None, ["Title", "Hello ODT"]),
    ],
)
def test_each_kind(data: bytes, media_type: str, pages: int | None, words: list[str]) -> None:
    """In the order in which they stand there."""
    asked = PDF if media_type == PDF else ZIP
    found, text = documents.read_document(io.BytesIO(data), asked)
    assert (found, text.pages) == (media_type, pages)
    assert [line for line in str(text).splitlines() if line] == words


def test_what_asks_for_a_password() -> None:
    """Is told apart from what is damaged."""
    secret = {
        "mimetype": ODT.encode(),
        "META-INF/manifest.xml": b"<m><manifest:encryption-data/></m>",
    }
    for data, asked in ((made.locked_pdf("pw"), PDF), (made.archive(secret), ZIP)):
        with pytest.raises(documents.Encrypted):
            documents.read_document(io.BytesIO(data), asked)


def test_an_archive_that_is_no_document() -> None:
    """A ZIP of anything, and an OpenDocument of another kind."""
    for members in ({"a.txt": b"a"}, {"mimetype": b"application/vnd.oasis.opendocument.chart"}):
        with pytest.raises(documents.Unsupported):
            documents.read_document(io.BytesIO(made.archive(members)), ZIP)


def test_an_archive_that_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what it says of itself, before anything is unpacked."""
    bomb = made.archive({"word/document.xml": bytes(100_000)})
    monkeypatch.setattr(documents, "MAX_UNPACKED_BYTES", 99_999)
    with pytest.raises(documents.TooBig):
        documents.read_document(io.BytesIO(bomb), ZIP)
    monkeypatch.setattr(documents, "MAX_MEMBERS", 0)
    with pytest.raises(documents.TooBig):
        documents.office_type(io.BytesIO(bomb))


def test_a_long_text_is_cut() -> None:
    """And says so at its end."""
    text = documents.Text(most_chars=10)
    text.line("12345")
    with pytest.raises(documents.Enough):
        text.line("6789012345")
    assert str(text).startswith("12345\n6789\n")
    assert str(text).endswith("this is what fits.]")
