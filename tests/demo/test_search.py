"""Keyword search over the manual."""

import pytest

from underpass.demo.pages import read_manual
from underpass.demo.search import Index, words_of

INDEX = Index(read_manual())


@pytest.mark.parametrize(
    ("question", "page", "heading"),
    [
        ("Can an admin read my chats?", "Privacy", "What an admin can see"),
        ("how do I share my provider", "Providers and models", "Share a provider"),
        ("Which statuses has a tunnel?", "Tunnels", "Tunnel statuses"),
        ("use it with curl", "Keys and programs", "Use it with curl"),
        ("what is walltime", "Sessions", "Why a session ended"),
    ],
)
def test_the_best_passage_is_about_the_question(question: str, page: str, heading: str) -> None:
    """Ordinary questions meet the section that answers them."""
    best, _ = INDEX.best(question)[0]
    assert (best.page, best.heading) == (page, heading)


def test_words_meet_in_one_form() -> None:
    """Endings, case and a few synonyms do not matter; stop words do not count."""
    assert words_of("Stopped the SESSIONS") == words_of("stopping a session")
    assert words_of("a token") == words_of("the key")
    assert words_of("what is it with the and") == []


def test_a_question_about_something_else_finds_nothing() -> None:
    """No passage is offered when no word of the question is in the manual."""
    assert INDEX.best("zebra crossing in Timbuktu") == []
