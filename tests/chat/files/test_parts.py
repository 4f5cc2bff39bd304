"""How a model gets to see files."""

import base64

from tests.fakes.documents import PNG
from underpass.chat.files import parts

SCRIPT = {"id": "fil_1", "name": "a.py", "kind": "text", "bytes": 5, "text_chars": 5}
SHOT = {"id": "fil_2", "name": "shot.png", "kind": "image", "bytes": 70, "text_chars": None}


def body(*content: object) -> parts.Json:
    """A request with a history."""
    old = {"role": "user", "content": [parts.place(SHOT), parts.words("what is this?")]}
    answer = {"role": "assistant", "content": "A dot."}
    return {"model": "m", "messages": [old, answer, {"role": "user", "content": list(content)}]}


def test_the_newest_come_first() -> None:
    """So that what does not fit is what is longest ago."""
    asked = body(parts.place(SCRIPT), parts.words("and this?"))
    assert [place["id"] for place in parts.places(asked)] == ["fil_1", "fil_2"]
    assert parts.places({"messages": [{"role": "user", "content": "plain"}]}) == []


def test_text_alone_stays_text() -> None:
    """Many servers take no lists; a picture makes it one."""
    asked = body(parts.place(SCRIPT), parts.words("and this?"))
    shown = {
        "fil_1": parts.text_of_file("a.py", "x = 1"),
        "fil_2": parts.picture("image/png", PNG),
    }
    first, _, last = parts.filled(asked, shown)["messages"]
    assert last["content"] == 'The file "a.py":\n\n```\nx = 1\n```\n\nand this?'
    url = first["content"][0]["image_url"]["url"]
    assert url == "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert first["content"][1] == {"type": "text", "text": "what is this?"}
    assert asked["messages"][0]["content"][0]["type"] == parts.PLACE  # the body itself is kept


def test_a_file_cannot_close_its_fence() -> None:
    """The fence is longer than any in the file."""
    part = parts.text_of_file("x.md", "```\ncode\n```\n  `````\nmore")
    assert part["text"].count("``````") == 2
    assert part["text"].endswith("\n``````")


def test_what_is_left_out_is_named() -> None:
    """Rather than missing without a word."""
    assert parts.left_out("a.pdf", "it is gone.")["text"] == (
        '[The file "a.pdf" is left out: it is gone.]'
    )
