"""How far a start is, read in the logs of real servers (tests/agent/loading)."""

from pathlib import Path

import pytest

from underpass.agent.progress import Phase, Progress, Step, read

LOADING = Path(__file__).parent / "loading"
_P = Phase


def steps_of(server: str) -> list[tuple[Phase, int | None]]:
    """What a whole log comes to."""
    progress, found = Progress(), []
    for line in (LOADING / f"{server}.log").read_text().splitlines():
        step = progress.feed(line)
        if step is not None:
            found.append((step.phase, step.percent))
    return found


@pytest.mark.parametrize(
    ("server", "steps"),
    [
        (
            "vllm",
            [
                (_P.WEIGHTS, None),
                (_P.WEIGHTS, 25),
                (_P.WEIGHTS, 50),
                (_P.WEIGHTS, 75),
                (_P.WEIGHTS, 100),
                (_P.COMPILE, None),
                (_P.GRAPHS, 0),
                (_P.GRAPHS, 46),
                (_P.GRAPHS, 100),
            ],
        ),
        (
            "sglang",
            [
                (_P.WEIGHTS, None),
                (_P.WEIGHTS, 50),
                (_P.WEIGHTS, 100),
                (_P.GRAPHS, None),
                (_P.GRAPHS, 83),
                (_P.GRAPHS, 100),
            ],
        ),
        (
            "tgi",
            [
                (_P.DOWNLOAD, None),
                (_P.DOWNLOAD, 25),
                (_P.DOWNLOAD, 50),
                (_P.DOWNLOAD, 100),
                (_P.WEIGHTS, None),
                (_P.WARMUP, None),
            ],
        ),
        (
            "ollama",
            [
                (_P.DOWNLOAD, None),
                (_P.WEIGHTS, None),
                (_P.WEIGHTS, 18),
                (_P.WEIGHTS, 47),
                (_P.WEIGHTS, 100),
            ],
        ),
        ("llama_cpp", [(_P.WEIGHTS, None)]),
        ("apptainer", [(_P.IMAGE, None), (_P.DOWNLOAD, 25), (_P.DOWNLOAD, 100)]),
    ],
)
def test_a_whole_start(server: str, steps: list[tuple[Phase, int | None]]) -> None:
    """Each phase once, in order, with the server's own percentage."""
    assert steps_of(server) == steps


def test_it_never_goes_back() -> None:
    """Workers load side by side; a second checkpoint begins after the first; small steps are no news."""
    progress = Progress()
    bar = "Loading safetensors checkpoint shards: {:3}% Completed"
    assert [progress.feed(bar.format(percent)) for percent in (40, 20, 42, 45, 0)] == [
        Step(_P.WEIGHTS, 40),
        None,
        None,
        Step(_P.WEIGHTS, 45),
        None,
    ]
    assert progress.feed("Capturing CUDA graphs: 50%") == Step(_P.GRAPHS, 50)
    assert progress.feed(bar.format(100)) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "INFO: 127.0.0.1 - GET /v1/models 200",
        "Loading safetensors checkpoint shards: lots",
        "Download: [1/0]",
        "x" * 100_000,
        "model load progress 1.2.3",
    ],
)
def test_other_lines_say_nothing_or_do_no_harm(line: str) -> None:
    """Whatever a server writes."""
    found = read(line)
    assert found is None or found.percent is None or 0 <= found.percent <= 100
