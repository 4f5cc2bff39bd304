"""A chat that is taken up again."""

from typing import Any

import pytest

from underpass.cli import chat_history


def message(name: str, parent: str | None, role: str = "user", **more: Any) -> dict[str, Any]:
    """A message, as far as the history needs it."""
    return {"id": name, "parent_id": parent, "role": role, "content": f"says {name}"} | more


TREE = [
    message("a", None),
    message("b", "a", "assistant"),
    message("c", "b"),
    message("d", "c", "assistant"),
    message("c2", "b"),
]


def test_the_branch_that_was_shown_last() -> None:
    """By the chat's head; the newest leaf where there is none; a damaged tree ends."""

    def ids(**chat: Any) -> list[str]:
        return [one["id"] for one in chat_history.branch_of({"messages": TREE, **chat})]

    assert ids(head_id="d") == ["a", "b", "c", "d"]
    assert ids(head_id=None) == ["a", "b", "c2"]
    assert ids(head_id=None, messages=[]) == []
    assert ids(head_id="x", messages=[message("x", "x")]) == ["x"]


def test_how_it_looks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions behind the prompt's sign, files by name, errors beside; only the end of a long one."""
    monkeypatch.setattr(chat_history, "MOST_SHOWN", 2)
    failed = message("d", "c", "assistant", content="", error={"message": "It broke."})
    asked = message("c", "b", attachments=[{"name": "a.pdf"}], content="and\x1b[2J this?")
    chat = {"title": "", "head_id": "d", "messages": [*TREE[:2], asked, failed]}
    chat_history.show(chat)
    said = capsys.readouterr()
    assert said.out == "> [a.pdf] and[2J this?\n"
    assert said.err.splitlines() == [
        "A chat without a title · 4 messages",
        "… 2 earlier ones are not shown.",
        "underpass: It broke.",
    ]
