"""Seconds of `make fuzz`: the corpus and a little chance for each target, and HTTP at both ends."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from chaos.fuzz.__main__ import by_chance
from chaos.fuzz.ends import fuzz_answers, fuzz_requests
from chaos.fuzz.targets import CORPUS, TARGETS, Target, named

SEED = "short"
SECONDS = 1.0


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_damaged_bytes_break_no_promise(target: Target) -> None:
    """Inputs that once reached far or broke something, then damage of the honest ones."""
    assert by_chance(target, SEED, SECONDS) == []


def test_the_corpus_belongs_to_the_targets() -> None:
    """Each folder has its target, and each target its inputs; all of it stays small."""
    folders = {path.name for path in CORPUS.iterdir()}
    assert folders == {target.name for target in TARGETS}
    assert all(target.corpus() for target in TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 1 << 20


def test_a_broken_promise_is_found() -> None:
    """A target that raises is told with the input that did it."""

    def breaks(data: bytes) -> None:
        assert b"\r\n\r\n" not in data

    honest = named("answer").honest
    wrong = by_chance(Target("broken", breaks, honest, ()), SEED, 0.0)
    assert len(wrong) == len(honest())
    assert "broken broke on 00485454502f" in wrong[0]


@pytest.mark.timeout(120)
def test_a_hub_survives_damaged_requests(tmp_path: Path) -> None:
    """Requests of any shape: no 500, no traceback, and honest ones are answered as before."""
    seen, wrong = asyncio.run(fuzz_requests(tmp_path, SEED, 3.0))
    assert not wrong, wrong
    assert_varied(seen)


@pytest.mark.timeout(120)
def test_an_agent_survives_damaged_answers(tmp_path: Path) -> None:
    """Answers of any shape from a model server, likewise."""
    seen, wrong = asyncio.run(fuzz_answers(tmp_path, SEED, 3.0))
    assert not wrong, wrong
    assert_varied(seen)


def assert_varied(seen: Counter[str]) -> None:
    """Some inputs were good and some bad, or nothing was tried."""
    assert sum(seen.values()) > 30, seen
    assert seen["200"] > 0, seen
    assert len(seen) > 2, seen
