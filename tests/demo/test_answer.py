"""What the guide says."""

from underpass.demo.answer import FOOTER, INTRODUCTION, answer
from underpass.demo.pages import read_manual
from underpass.demo.search import Index

INDEX = Index(read_manual())


def test_it_says_that_it_is_no_language_model() -> None:
    """In a chat's first answer, when it greets, when it is asked, and when it finds nothing."""
    for question in ("hi", "Who are you?", "how do I share my provider", "zebra", ""):
        assert answer(INDEX, [question]).startswith(INTRODUCTION)
    assert "I found nothing" in answer(INDEX, ["the capital of France"])


def test_a_later_answer_is_short_about_itself_and_quotes_the_manual() -> None:
    """From the second question on a footer says what it is; the passage is the manual's text."""
    text = answer(INDEX, ["hi", "how do I share my provider?"])
    assert INTRODUCTION not in text
    assert text.endswith(FOOTER)
    assert "tunnel_not_shareable" in text


def test_a_question_without_own_words_is_read_with_those_before_it() -> None:
    """ "And why?" after a question about sharing is about sharing."""
    text = answer(INDEX, ["can I share a provider", "and why not?"])
    assert "Share a provider" in text


def test_the_whole_manual_is_a_long_answer() -> None:
    """Asked for it, the guide shows every passage."""
    text = answer(INDEX, ["show me the whole manual please"])
    assert all(passage.text in text for passage in INDEX.passages)
