"""What a server wrote before it ended for want of memory; and what only looks like it."""

import pytest

from underpass.agent.shortage import KEPT_LINES, Kind, Shortage

# The first was recorded on an H100 (tests/gpu); the others are as their projects and reports have them.
GPU = [
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.00 GiB. GPU 0 has a total",
    "(EngineCore_DP0 pid=1) ERROR torch.cuda.OutOfMemoryError: HIP out of memory. Tried to",
    "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
    "ValueError: Free memory on device (3.2/79.18 GiB) on startup is less than desired GPU memory",
    "16.0 GiB KV cache is needed, which is larger than the available KV cache memory (7.9 GiB).",
    "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
    "ggml_backend_cuda_buffer_type_alloc_buffer: on device 0: cudaMalloc failed: out of memory",
    "llama_model_load: error loading model: unable to allocate CUDA0 buffer",
]
HOST = [
    "MemoryError",
    "RuntimeError: [enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory:",
    "terminate called after throwing an instance of 'std::bad_alloc'",
    "Error: model requires more system memory (9.1 GiB) than is available (3.8 GiB)",
]


@pytest.mark.parametrize(
    ("line", "kind"), [*((one, Kind.GPU) for one in GPU), *((one, Kind.HOST) for one in HOST)]
)
def test_each_server_says_it_in_its_own_words(line: str, kind: Kind) -> None:
    """With its traceback below."""
    log = Shortage()
    for text in ("INFO loading", line, *["  File x, line 3"] * 60):
        log.feed(text)
    assert log.last is kind


def test_what_was_long_ago_is_not_why_it_ended() -> None:
    """A request that failed for want of memory, and a server that went on for a while."""
    log = Shortage()
    log.feed(GPU[0])
    for _ in range(KEPT_LINES + 1):
        log.feed("INFO 200 OK")
    assert log.last is None


@pytest.mark.parametrize(
    "line",
    ["INFO gpu_memory_utilization=0.9", "memory usage 43 GiB", "Caught MemoryErrorHandler", ""],
)
def test_talk_of_memory_is_no_want_of_it(line: str) -> None:
    """Only the words of a failure count."""
    log = Shortage()
    log.feed(line)
    assert log.last is None
