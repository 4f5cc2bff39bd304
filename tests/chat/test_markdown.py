"""Markdown exports taken apart: whatever was said, the same words come back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from underpass.chat.exports import as_markdown
from underpass.chat.markdown import sections
from underpass.store import ChatRecord, MessageRecord

CHAT = ChatRecord(id="cht_1", owner_id="u", created_at=1.0, updated_at=2.0, title="T")
# Words that could be taken for what the export itself writes.
TRAPS = st.sampled_from(
    [
        "<!-- underpass:message {} -->",
        "<!-- underpass:content -->",
        "\\<!-- underpass:chat -->",
        "\\\\<!-- underpass:",
        "</details>",
        "<details><summary>Reasoning</summary>",
        "```json",
        "```",
        "## You",
        "# T",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        " ",
        "\x0b",
        "\u2028",
        "\ufeff",
        "words",
    ]
)
TEXTS = st.lists(TRAPS | st.text(max_size=5), max_size=8).map("\n".join) | st.lists(
    TRAPS, max_size=8
).map("".join)


def spoken(text: str) -> list[tuple[str, str]]:
    """(kind, text) of each section."""
    return [(kind, body) for kind, _, body in sections(text)]


@settings(max_examples=150, deadline=None)
@given(question=TEXTS, thought=TEXTS, answer=TEXTS)
def test_the_same_words_come_back(question: str, thought: str, answer: str) -> None:
    """Also where they look like marks, headings, fences or blank ends."""
    branch = [
        MessageRecord(id="q", chat_id="c", role="user", created_at=1.0, content=question),
        MessageRecord(
            id="a",
            chat_id="c",
            role="assistant",
            created_at=1.0,
            content=answer,
            reasoning=thought,
            tool_calls=[{"index": 0, "function": {"arguments": "```\n"}}],
        ),
    ]
    found = spoken(as_markdown(CHAT, branch))
    expected = [("chat", ""), ("message", question), ("message", "")]
    expected += [("reasoning", thought)] if thought else []
    assert [one for one in found if one[0] != "tool_calls"] == [*expected, ("content", answer)]
    assert sum(kind == "tool_calls" for kind, _ in found) == 1


def test_an_editor_may_change_the_line_ends() -> None:
    """Windows' line ends, a byte order mark, and no line end at the end of the file."""
    branch = [MessageRecord(id="q", chat_id="c", role="user", created_at=1.0, content="a\nb")]
    text = as_markdown(CHAT, branch)
    for edited in ("\ufeff" + text, text.replace("\n", "\r\n"), text.rstrip("\n")):
        assert spoken(edited) == [("chat", ""), ("message", "a\nb")]


def test_a_file_without_marks_has_no_sections() -> None:
    """Whatever else is in it."""
    assert spoken("# Notes\n\nsomething") == spoken("") == []
