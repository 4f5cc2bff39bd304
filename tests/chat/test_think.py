"""`<think>` is split out of text, whatever the pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.chat.think import ThinkSplitter

CASES = [
    ("<think>a b</think>\n\nanswer", "a b", "answer"),
    ("  \n<think>\nx</think>y", "\nx", "y"),
    ("<thinking>long</thinking> z", "long", "z"),
    ("<think>one</think>\n<think>two</think> end", "onetwo", "end"),
    ("plain <think>not a tag</think>", "", "plain <think>not a tag</think>"),
    ("<think>never closed </thin", "never closed </thin", ""),
    ("<think></think>", "", ""),
    ("<think>a</think>\n", "a", ""),
    ("<thin ice", "", "<thin ice"),
    ("<thi", "", "<thi"),
    ("   ", "", "   "),
    ("<think>a</thinking>b</think>c", "a</thinking>b", "c"),
    ("", "", ""),
]


def split(pieces: list[str]) -> tuple[str, str]:
    """(reasoning, text) of all the pieces."""
    splitter = ThinkSplitter()
    parts = [part for piece in pieces for part in splitter.feed(piece)] + splitter.finish()
    return (
        "".join(text for text, is_reasoning in parts if is_reasoning),
        "".join(text for text, is_reasoning in parts if not is_reasoning),
    )


@pytest.mark.parametrize(("whole", "reasoning", "text"), CASES)
def test_splits_whole_and_letter_by_letter(whole: str, reasoning: str, text: str) -> None:
    """The same result for the text at once and for one letter at a time."""
    assert split([whole]) == (reasoning, text)
    assert split(list(whole)) == (reasoning, text)


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<", "think", ">", "a", " ", "\n", "</"])),
    st.data(),
)
def test_split_points_do_not_matter(tokens: list[str], data: st.DataObject) -> None:
    """Any split of any text gives the same reasoning and the same text."""
    whole = "".join(tokens)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8))
    edges = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(edges)]
    assert split(pieces) == split([whole])


def test_text_comes_at_once() -> None:
    """Nothing is held back once the answer has begun."""
    splitter = ThinkSplitter()
    assert splitter.feed("Hello") == [("Hello", False)]
    assert splitter.feed(" <") == [(" <", False)]
