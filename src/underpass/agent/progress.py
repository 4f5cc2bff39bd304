"""How far a model server is with its start, from the lines that it writes. Pure.

For showing only: no status depends on it, because a log says what its author liked to say. A start goes
forward through the phases and may leave any of them out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

MAX_LINE_CHARS = 2000
LEAST_PERCENT = 5
"""Less than that is no news: bars move many times a second."""


class Phase(IntEnum):
    """In the order in which a start goes through them."""

    IMAGE = 1
    """Its container image is fetched or unpacked."""
    DOWNLOAD = 2
    """The model is fetched."""
    WEIGHTS = 3
    COMPILE = 4
    GRAPHS = 5
    """CUDA graphs are captured."""
    WARMUP = 6

    @property
    def word(self) -> str:
        """The stable word on the wire."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Step:
    """Where a start is; `percent` of this phase, where the server tells it."""

    phase: Phase
    percent: int | None = None

    def as_message(self) -> dict[str, object]:
        """The control message `session.progress`."""
        return {"type": "session.progress", "phase": self.phase.word, "percent": self.percent}


_P = Phase

# What a line holds → the phase that it tells of. A group `p` is its percentage, `f` its fraction,
# `n` of `m` its share; without one the phase has begun, or goes on.
_SIGNS: tuple[tuple[Phase, re.Pattern[str]], ...] = tuple(
    (phase, re.compile(pattern))
    for phase, pattern in (
        # vLLM, SGLang, transformers: one bar for all files of a checkpoint
        (_P.WEIGHTS, r"Loading (?:safetensors |pt |bin |gguf )?checkpoint shards: +(?P<p>\d+)%"),
        (_P.WEIGHTS, r"Loading weights: +(?P<p>\d+)%"),
        (_P.WEIGHTS, r"Multi-thread loading shards: +(?P<p>\d+)%"),
        (_P.WEIGHTS, r"Starting to load model |Load weight begin"),
        (_P.WEIGHTS, r"Loading weights took |Load weight end|Model loading took "),
        (_P.COMPILE, r"for vLLM's torch\.compile|Dynamo bytecode transform time"),
        (_P.COMPILE, r"torch\.compile takes |Compiling a graph |Start compiling function"),
        (_P.GRAPHS, r"Capturing CUDA graphs?[^:]*: +(?P<p>\d+)%"),
        (_P.GRAPHS, r"Capturing CUDA graph shapes: +(?P<p>\d+)%"),
        (_P.GRAPHS, r"Capturing batches[^:]*(?:\([^)]*\))?: +(?P<p>\d+)%"),
        (_P.GRAPHS, r"Capture cuda graph begin|Capture cuda graph end|Graph capturing finished"),
        # TGI
        (_P.DOWNLOAD, r"Starting (?:check and )?download process"),
        (_P.DOWNLOAD, r"Download: \[(?P<n>\d+)/(?P<m>\d+)\]"),
        (_P.DOWNLOAD, r"Successfully downloaded weights"),
        (_P.WEIGHTS, r"Starting shard |Waiting for shard .{0,20}to be ready|Shard ready in"),
        (_P.GRAPHS, r"Cuda Graphs are enabled for sizes"),
        (_P.WARMUP, r"Warming up model"),
        # llama.cpp and Ollama
        (_P.WEIGHTS, r"model load progress (?P<f>[01]\.\d+)"),
        (_P.WEIGHTS, r"load_model: loading model|load_tensors: |llm server loading model"),
        (_P.WEIGHTS, r"llama runner started in"),
        (_P.DOWNLOAD, r"downloading [0-9a-f]{8,}.* part\(s\)|\"pulling [0-9a-f]{8,}"),
        (_P.WARMUP, r"warming up the model with an empty run"),
        # Hugging Face's own downloads
        (_P.DOWNLOAD, r"Fetching \d+ files: +(?P<p>\d+)%"),
        (_P.DOWNLOAD, r"^[\w.-]+\.(?:safetensors|gguf|bin): +(?P<p>\d+)%"),
        # apptainer
        (_P.IMAGE, r"Converting OCI blobs to SIF|Extracting OCI image|Creating SIF file"),
        (_P.IMAGE, r"Converting SIF file to temporary sandbox|Downloading (?:library|oras) image"),
        (_P.IMAGE, r"^(?:INFO: +)?(?:Copying blob|Fetching OCI image)"),
    )
)


class Progress:
    """Follows one start; `feed` it every line."""

    def __init__(self) -> None:
        self.step: Step | None = None

    def feed(self, line: str) -> Step | None:
        """The step that this line makes; None: nothing new. Never goes back: of several workers that
        load side by side the furthest is shown."""
        found = read(line)
        if found is None or not self._is_further(found):
            return None
        self.step = found
        return found

    def _is_further(self, found: Step) -> bool:
        if self.step is None or found.phase > self.step.phase:
            return True
        before, now = self.step.percent or 0, found.percent or 0
        is_news = now - before >= LEAST_PERCENT or now == 100 > before
        return found.phase is self.step.phase and is_news


def read(line: str) -> Step | None:
    """What one line says of the start, if anything."""
    text = line[:MAX_LINE_CHARS]
    for phase, pattern in _SIGNS:
        match = pattern.search(text)
        if match is not None:
            return Step(phase, _percent(match.groupdict()))
    return None


def _percent(groups: dict[str, str | None]) -> int | None:
    if percent := groups.get("p"):
        return min(100, int(percent[:4]))
    if fraction := groups.get("f"):
        return min(100, round(float(fraction) * 100))
    share, whole = groups.get("n"), groups.get("m")
    if share and whole and int(whole[:6]):
        return min(100, int(share[:6]) * 100 // int(whole[:6]))
    return None
