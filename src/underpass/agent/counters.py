"""What model servers count at `/metrics`, in the words of each. Pure.

Prometheus's text format, of which only plain samples are read. Of several samples of one name (one for
each model or worker) the sum counts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})? ([^ ]+)")


@dataclass(frozen=True, slots=True)
class Counters:
    """What a server has counted since its start, and what it is doing; None: it does not say."""

    generated_tokens: float | None = None
    prompt_tokens: float | None = None
    running: float | None = None
    """Requests that it works on."""
    waiting: float | None = None
    cache_percent: float | None = None
    """How much of its key-value cache is in use."""


_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "vllm": {
        "generated_tokens": ("vllm:generation_tokens_total", "vllm:generation_tokens"),
        "prompt_tokens": ("vllm:prompt_tokens_total", "vllm:prompt_tokens"),
        "running": ("vllm:num_requests_running",),
        "waiting": ("vllm:num_requests_waiting",),
        "cache_percent": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
    },
    "sglang": {
        "generated_tokens": ("sglang:generation_tokens_total",),
        "prompt_tokens": ("sglang:prompt_tokens_total",),
        "running": ("sglang:num_running_reqs",),
        "waiting": ("sglang:num_queue_reqs",),
        "cache_percent": ("sglang:token_usage",),
    },
    "llama.cpp": {
        "generated_tokens": ("llamacpp:tokens_predicted_total",),
        "prompt_tokens": ("llamacpp:prompt_tokens_total",),
        "running": ("llamacpp:requests_processing",),
        "waiting": ("llamacpp:requests_deferred",),
        "cache_percent": ("llamacpp:kv_cache_usage_ratio",),
    },
    "tgi": {
        "generated_tokens": ("tgi_request_generated_tokens_sum",),
        "prompt_tokens": ("tgi_request_input_length_sum",),
        "running": ("tgi_batch_current_size",),
        "waiting": ("tgi_queue_size",),
    },
}
KINDS = frozenset(_NAMES)
"""The kinds of server that count."""


def read(kind: str, text: str) -> Counters | None:
    """The counters of a server of this kind; None where nothing of it is found."""
    samples = _samples(text)
    found: dict[str, float] = {}
    for field, names in _NAMES.get(kind, {}).items():
        known = [samples[name] for name in names if name in samples]
        if known:
            # These are shares from 0 to 1, whatever they are called; of several the fullest counts.
            share = 100 * max(known[0])
            found[field] = share if field == "cache_percent" else sum(known[0])
    return Counters(**found) if found else None


def _samples(text: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for line in text.splitlines():
        match = None if line.startswith("#") else _SAMPLE.match(line)
        if match is None:
            continue
        try:
            value = float(match[2])
        except ValueError:
            continue
        if math.isfinite(value):
            found.setdefault(match[1], []).append(value)
    return found
