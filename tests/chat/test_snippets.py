"""The text around what a search found."""

import pytest

from underpass.chat.snippets import SNIPPET_CHARS, snippet


def marked(text: str, *words: str) -> str:
    """The snippet with [brackets] around its spans."""
    found = snippet(text, words)
    shown: str = found["text"]
    for start, end in reversed(found["spans"]):
        shown = f"{shown[:start]}[{shown[start:end]}]{shown[end:]}"
    return shown


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("The quick brown fox", ["quick", "fo"], "The [quick] brown [fo]x"),
        ("QUICK, quickly; unquick", ["quick"], "[QUICK], [quick]ly; unquick"),
        ("one\n\n  two\tthree", ["three"], "one two [three]"),
        ("Ein Café in Köln", ["cafe", "koln"], "Ein [Café] in [Köln]"),
        ("naïve", ["naïve"], "[naïve]"),
        ("🚇🚇 metro", ["metro"], "🚇🚇 [metro]"),
        ("Straße", ["strasse"], "[Straße]"),
        ("node7.example.org", ["example"], "node7.[example].org"),
        ("overlap overlapping", ["over", "overlap"], "[overlap] [overlap]ping"),
        ("nothing here", ["absent"], "nothing here"),
        ("", ["x"], ""),
        ("no words", [], "no words"),
        ("a.b", [".", "("], "a.b"),
    ],
)
def test_words_and_their_spans(text: str, words: list[str], expected: str) -> None:
    """Found at the beginning of a word, whatever the case and the accents."""
    assert marked(text, *words) == expected


def test_a_long_text_is_cut_around_the_word() -> None:
    """With a little before it, at the beginning of a word, and marks where it was cut."""
    shown = marked("before " * 1000 + "needle " + "after " * 1000, "needle")
    assert shown.startswith("…before")
    assert "[needle]" in shown[:100]
    assert shown.endswith("…")
    assert len(shown) <= SNIPPET_CHARS + 6


def test_spans_count_code_points() -> None:
    """Of the text that is shown, not of the bytes or UTF-16 units."""
    found = snippet("🚇 metro", ["metro"])
    (start, end), *_ = found["spans"]
    assert found["text"][start:end] == "metro"
    assert (start, end) == (2, 7)
