"""Keyword search over the manual: BM25 with a small stemmer. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from underpass.demo.pages import Passage

# The usual constants of BM25: how fast a repeated word stops counting, how much length matters.
_K1 = 1.4
_B = 0.6
# A word in a heading says more about a passage than one in its text.
_HEADING_WEIGHT = 3

_WORD = re.compile(r"[a-z0-9]+(?:[._'-][a-z0-9]+)*")
_COMMON = (
    "a about after again all am an and any are as at be because been but by can could did do does "
    "doing down for from get give had has have how i if in into is it its just like make me more "
    "my no not of off on one or our out over please should so some such tell than that the their "
    "them then there these they this to too under up use very want was we were what when where "
    "which while who why will with without would you your"
)
_STOP_WORDS = frozenset(_COMMON.split())
_SAME = {
    "gpus": "gpu",
    "colab": "session",
    "job": "session",
    "endpoint": "provider",
    "token": "key",
    "secret": "key",
    "password": "key",
    "crash": "fail",
    "broken": "fail",
    "error": "fail",
    "quit": "stop",
    "kill": "stop",
    "end": "stop",
    "begin": "start",
    "launch": "start",
    "run": "start",
    "private": "privacy",
    "install": "start",
    "ai": "language",
    "llm": "language",
}


class Index:
    """The manual's passages, ready to be asked."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = list(passages)
        self._counts = [_count(passage) for passage in self.passages]
        self._lengths = [sum(counts.values()) for counts in self._counts]
        self._mean_length = sum(self._lengths) / max(1, len(self._lengths))
        holding = Counter(word for counts in self._counts for word in counts)
        total = len(self.passages)
        self._rarity = {
            word: math.log(1 + (total - n + 0.5) / (n + 0.5)) for word, n in holding.items()
        }

    def best(self, question: str, limit: int = 3) -> list[tuple[Passage, float]]:
        """The passages that fit best, best first, with their scores; empty when none does."""
        words = set(words_of(question))
        scored = [(self._score(number, words), -number) for number in range(len(self.passages))]
        ranked = sorted((entry for entry in scored if entry[0] > 0), reverse=True)[:limit]
        return [(self.passages[-negative], score) for score, negative in ranked]

    def _score(self, number: int, words: set[str]) -> float:
        counts, length = self._counts[number], self._lengths[number]
        damping = _K1 * (1 - _B + _B * length / self._mean_length)
        return sum(
            self._rarity[word] * counts[word] * (_K1 + 1) / (counts[word] + damping)
            for word in words
            if word in counts
        )


def words_of(text: str) -> list[str]:
    """The words of a text that can be searched for, in one common form each."""
    words = []
    for raw in _WORD.findall(text.lower()):
        word = raw.removesuffix("'s")
        if word not in _STOP_WORDS:
            stem = _stem(word)
            words.append(_SAME.get(word, _SAME.get(stem, stem)))
    return words


def _stem(word: str) -> str:
    """Takes the commonest English endings off: `stopped` and `sharing` meet their stems."""
    for ending in ("ing", "ed", "es", "s"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3 and not word.endswith("ss"):
            # `stopped`, `running`: the doubled letter goes too.
            is_doubled = ending in ("ing", "ed") and stem[-1] == stem[-2] and stem[-1] not in "ls"
            return (stem[:-1] if is_doubled else stem).removesuffix("e")
    return word.removesuffix("e") if len(word) > 4 else word


def _count(passage: Passage) -> Counter[str]:
    counts = Counter(words_of(passage.text))
    for word in words_of(f"{passage.page} {passage.heading}"):
        counts[word] += _HEADING_WEIGHT
    return counts
