"""What the guide says. Pure: question in, text out, the same text for the same question."""

from __future__ import annotations

import re
from collections.abc import Sequence

from underpass.demo.pages import Passage
from underpass.demo.search import Index

INTRODUCTION = (
    "I am `underpass-guide`, a small demo server. I am not a language model: I look your words up "
    "in Underpass's manual and show the passages that fit."
)
FOOTER = "*Found in the manual by keyword search; I am not a language model.*"

_GREETING = re.compile(
    r"\W*(hi|hello|hey|good (morning|evening|day)|moin|hallo|test|ping)\b.{0,20}"
)
_WHOLE = re.compile(r"\b(whole|entire|full|complete)\b.{0,20}\b(manual|guide|documentation)\b")
_ABOUT_ME = re.compile(
    r"\b((who|what) (are|r) you|are you (an?|really|chatgpt|gpt|a real)|your name|what model)\b"
)

# A second passage is shown when it fits nearly as well as the first; weaker ones are only named.
_SECOND_SHARE = 0.75
# Below this the match is one common word: better to say that nothing was found.
_LEAST_SCORE = 1.2


def answer(index: Index, questions: Sequence[str]) -> str:
    """The answer to the last of a user's `questions` (those of one chat, oldest first)."""
    question = questions[-1].strip() if questions else ""
    lowered = question.lower()
    is_first = len(questions) < 2
    if not question or (_GREETING.fullmatch(lowered) and len(lowered) < 30):
        return f"{INTRODUCTION}\n\n{_topics(index)}"
    if _WHOLE.search(lowered):
        return f"{INTRODUCTION}\n\nHere is the whole manual.\n\n{_whole_manual(index)}"
    if _ABOUT_ME.search(lowered):
        return f"{INTRODUCTION}\n\n{_topics(index)}"
    found = index.best(question)
    if not found and not is_first:
        # "And how do I stop it?": the words before it may say what "it" is.
        found = index.best(" ".join(questions[-3:]))
    if not found or found[0][1] < _LEAST_SCORE:
        return (
            f"{INTRODUCTION}\n\nI found nothing about that in the manual. To talk to a real model, "
            f"see *How to get a real model* there.\n\n{_topics(index)}"
        )
    opening = f"{INTRODUCTION}\n\n" if is_first else ""
    closing = "" if is_first else f"\n\n{FOOTER}"
    return f"{opening}{_passages(found)}{closing}"


def _passages(found: Sequence[tuple[Passage, float]]) -> str:
    best_score = found[0][1]
    shown = [
        p for n, (p, score) in enumerate(found) if n == 0 or score >= _SECOND_SHARE * best_score
    ]
    named = [passage for passage, _ in found if passage not in shown[:2]]
    text = "\n\n".join(f"### {passage.name}\n\n{passage.text}" for passage in shown[:2])
    if named:
        text += "\n\nSee also: " + "; ".join(f"*{passage.name}*" for passage in named) + "."
    return text


def _topics(index: Index) -> str:
    pages = dict.fromkeys(passage.page for passage in index.passages)
    listed = "\n".join(f"- {page}" for page in pages)
    return f"You can ask me about:\n\n{listed}"


def _whole_manual(index: Index) -> str:
    parts, page = [], ""
    for passage in index.passages:
        if passage.page != page:
            page = passage.page
            parts.append(f"## {page}")
        if passage.heading != page:
            parts.append(f"### {passage.heading}")
        parts.append(passage.text)
    return "\n\n".join(parts)
