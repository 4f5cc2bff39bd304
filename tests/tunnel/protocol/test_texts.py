"""JSON of the peer's, read with suspicion."""

import pytest

from underpass.core.errors import BadFrame
from underpass.tunnel.protocol.texts import load_object


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"5", b"{", b"\xff{}", b'{"n": NaN}', b'{"n": -Infinity}',
        b'{"n": ' + b"9" * 5000 + b"}", b'{"n":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_object_in_json_is_a_bad_frame(text: bytes) -> None:
    """Whatever is wrong with it, and never another error."""
    with pytest.raises(BadFrame):
        load_object(text, "A message")


@pytest.mark.parametrize("half", [r"\ud800", r"\uDFFF", r"\udc00\ud800"])
def test_halves_of_characters_are_replaced(half: str) -> None:
    """In names and values, at any depth: no table and no answer can carry them."""
    found = load_object(f'{{"a{half}": ["b{half}", {{"c": "\\ud83d\\ude00"}}]}}'.encode(), "It")
    ((name, (first, inner)),) = found.items()
    assert set(name + first) == {"a", "b", "\ufffd"}
    assert inner == {"c": "😀"}
