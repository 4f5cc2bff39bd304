"""Whether a model server that ended had said that memory was short: of the GPU, or of the machine.

A server that cannot get memory on a GPU ends with an exit code like any other's; only its log tells. The
kernel's own kill is known by the signal (`ending.memory_kills`).
"""

from __future__ import annotations

import re
from enum import Enum

KEPT_LINES = 200
"""How far from the end such words may stand: below them come the tracebacks of each process."""

_GPU = re.compile(
    # torch on NVIDIA and on AMD, JAX, and CUDA's own words in llama.cpp and Ollama.
    r"(?:CUDA|HIP) out of memory|OutOfMemoryError|RESOURCE_EXHAUSTED: Out of memory"
    r"|(?:cuda|hip)Malloc failed: out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
    r"|unable to allocate \S*(?:CUDA|ROCm|Vulkan)\S* buffer|ErrorOutOfDeviceMemory"
    # vLLM before it allocates: weights, cache or context do not fit.
    r"|No available memory for the cache blocks|Free memory on device .* is less than desired"
    r"|larger than the (?:available KV cache memory|maximum number of tokens that can be stored)"
    # SGLang
    r"|Not enough memory\. Please try (?:to increase|increasing) --mem-fraction-static"
)
_HOST = re.compile(
    r"^MemoryError\b|DefaultCPUAllocator: can't allocate memory|std::bad_alloc"
    r"|Cannot allocate memory|requires more system memory"
)


class Kind(Enum):
    """Whose memory was short."""

    GPU = "GPU memory"
    HOST = "memory"


class Shortage:
    """Reads a server's log as it comes; O(1) memory."""

    def __init__(self) -> None:
        self._lines = 0
        self._found: tuple[int, Kind] | None = None

    def feed(self, line: str) -> None:
        """The next line."""
        self._lines += 1
        if _GPU.search(line):
            self._found = (self._lines, Kind.GPU)
        elif _HOST.search(line):
            self._found = (self._lines, Kind.HOST)

    @property
    def last(self) -> Kind | None:
        """What was short shortly before the end; None when nothing was said of it."""
        if self._found is None or self._lines - self._found[0] > KEPT_LINES:
            return None
        return self._found[1]
