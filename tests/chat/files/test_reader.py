"""The reader: one word for each way in which a document can be bad."""

from typing import Any

import pytest

from tests.fakes import documents as made
from underpass.chat.files import documents
from underpass.chat.files.media import PDF, ZIP
from underpass.chat.files.reader import answer_to


def test_a_document() -> None:
    """Its text, its pages, and what it turned out to be."""
    answer = answer_to(made.pdf("Hello"), PDF)
    assert answer == {"text": "Hello", "pages": 1, "media_type": PDF}


@pytest.mark.parametrize(
    ("data", "media_type", "problem"),
    [
        (made.locked_pdf("pw"), PDF, "encrypted"),
        (made.pdf("x")[:60], PDF, "damaged"),
        (b"PK\x03\x04 but no more", ZIP, "damaged"),
        (made.archive({"word/document.xml": b"<w"}), ZIP, "damaged"),
        (made.archive({"a": b"a"}), ZIP, "unsupported"),
        (made.odt("<text:p>" * 3), ZIP, "damaged"),
    ],
)
def test_one_word_on_what_is_wrong(data: bytes, media_type: str, problem: str) -> None:
    """Never an exception, and never a word of the document."""
    assert answer_to(data, media_type) == {"problem": problem}


def test_memory_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends the reading before the end of the document."""

    def out_of_memory(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setitem(documents.READERS, PDF, out_of_memory)
    assert answer_to(made.pdf("x"), PDF) == {"problem": "memory"}
    monkeypatch.setattr(documents, "MAX_UNPACKED_BYTES", 1)
    assert answer_to(made.word(), ZIP) == {"problem": "too_big"}
