"""An order → the scheduler's lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clusters.conftest import TAG, order
from underpass.clusters.base import Resources
from underpass.clusters.slurm import options
from underpass.core.errors import LaunchRejected


def _lines(**asked: object) -> list[str]:
    return options.sbatch_lines(order(resources=Resources(**asked)))  # type: ignore[arg-type]


def test_all_that_can_be_asked_for() -> None:
    """Each choice is one line, in the spelling that every version knows."""
    lines = _lines(
        gpus=2,
        gpu_type="a100",
        nodes=3,
        cpus=8,
        memory="64G",
        time_s=4 * 3600,
        partition="gpu,long",
    )
    for line in (
        "--gres=gpu:a100:2",
        "--nodes=3",
        "--cpus-per-task=8",
        "--mem=65536M",
        "--time=0-04:00:00",
        "--partition=gpu,long",
        "--signal=B:USR1@300",
        f"--comment=underpass:{TAG}",
        f"--job-name=box.{TAG}",
    ):
        assert f"#SBATCH {line}" in lines


@pytest.mark.parametrize(
    ("time_s", "warning_s"),
    [(None, 120), (60, None), (179, None), (180, 30), (3600, 180), (86400, 300)],
)
def test_the_warning_leaves_most_of_the_time(time_s: int | None, warning_s: int | None) -> None:
    """A long job has five minutes; one that Slurm might tell as it begins is not told ahead."""
    assert options.warning_s(time_s) == warning_s
    lines = _lines(time_s=time_s)
    assert any("--signal" in line for line in lines) is (warning_s is not None)


@pytest.mark.parametrize(
    ("said", "mb"),
    [("64G", 65536), ("512M", 512), ("1T", 1048576), ("64 GiB", 65536), ("900", 900)],
)
def test_memory(said: str, mb: int) -> None:
    """As people and schedulers write it."""
    assert options.memory_mb(said) == mb


@given(
    name=st.text(),
    values=st.dictionaries(
        st.sampled_from(["partition", "account", "qos", "gpu_type", "memory"]), st.text()
    ),
)
def test_no_text_becomes_a_second_option(name: str, values: dict[str, str]) -> None:
    """Either it is refused, or each line is one option of one word."""
    made = order(name=name, resources=Resources(gpus=1, **values))  # type: ignore[arg-type]
    try:
        lines = options.sbatch_lines(made)
    except LaunchRejected:
        return
    for line in lines:
        words = line.split()
        assert len(words) == 2, line
        assert words[0] == "#SBATCH"
        assert words[1].startswith("--")
        assert line.isascii()
        assert not set(line) & set("\"'`$\\;|&<>\n\r")
