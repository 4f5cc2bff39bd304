"""Chats as files."""

import pytest

from underpass.chat.exports import as_markdown, disposition
from underpass.store import ChatRecord, MessageRecord

CHAT = ChatRecord(id="cht_1", owner_id="u", created_at=1.0, updated_at=2.0, title="My chat")


def message(**fields: object) -> MessageRecord:
    """A message."""
    known = {"id": "m", "chat_id": "cht_1", "role": "user", "created_at": 1.0, **fields}
    return MessageRecord(**known)  # type: ignore[arg-type]


def test_markdown_reads_well() -> None:
    """A title, who speaks, and what was said; the rest is in comments."""
    branch = [
        message(content="Hi **there**"),
        message(role="assistant", model="gpu/m", content="Hello", reasoning="hm"),
    ]
    text = as_markdown(CHAT, branch)
    shown = [line for line in text.split("\n") if line and not line.startswith("<!--")]
    assert shown == [
        "# My chat",
        "## You",
        "Hi **there**",
        "## gpu/m",
        "<details><summary>Reasoning</summary>",
        "hm",
        "</details>",
        "Hello",
    ]


def test_no_word_of_a_chat_ends_a_comment() -> None:
    """Else a title could write into the page that shows the file."""
    chat = ChatRecord(
        id="c", owner_id="u", created_at=1.0, updated_at=1.0, title="x --> <b>", model="--><i>"
    )
    text = as_markdown(chat, [message(role="assistant", model="--> <script>")])
    comments = [line for line in text.split("\n") if line.startswith("<!--")]
    assert len(comments) == 2
    assert all(line.count("-->") == 1 and line.endswith("-->") for line in comments)


@pytest.mark.parametrize(
    ("title", "plain", "full"),
    [
        ("About foxes", "About foxes.md", "About%20foxes.md"),
        ('Größe/../x\r\n"y', "Gre .. x y.md", "Gr%C3%B6%C3%9Fe%20..%20x%20y.md"),
        ("", "chat.md", "chat.md"),
        ("...", "chat.md", "chat.md"),
        ("東京", "chat.md", "%E6%9D%B1%E4%BA%AC.md"),
    ],
)
def test_the_name_of_the_file(title: str, plain: str, full: str) -> None:
    """The chat's title, with nothing that a header or a file system trips over."""
    expected = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"
    assert disposition(title, "md") == expected
