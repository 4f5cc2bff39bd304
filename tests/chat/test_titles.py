"""Titles from the first words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.chat.titles import MAX_TITLE_CHARS, title_of


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("How do I sort a list?", "How do I sort a list?"),
        ("  two\n\nlines\t here ", "two lines here"),
        ("# A **bold** `word` and [a link](https://x.y)", "A bold word and a link"),
        ("Fix this:\n```python\nprint(1)\n```\nplease", "Fix this: please"),
        ("```python\nprint(1)\n```", "python print(1)"),
        ("   ", "New chat"),
        ("\x00\u202e", "New chat"),
        (
            "Please write a very long story about a fox that jumps over a lazy dog, twice",
            "Please write a very long story about a fox that jumps over…",
        ),
        ("x" * 100, "x" * 60 + "…"),
    ],
)
def test_first_words(content: str, title: str) -> None:
    """Plain words on one line, cut between words, without Markdown's marks."""
    assert title_of(content) == title


@given(st.text(max_size=300))
def test_any_text_gives_a_short_title(content: str) -> None:
    """Never empty, never long, never with control characters."""
    title = title_of(content)
    assert 0 < len(title) <= MAX_TITLE_CHARS + 1
    assert title.isprintable()
