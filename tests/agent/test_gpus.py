"""GPU use and memory, from stand-ins for the drivers' programs on the PATH."""

from pathlib import Path

import pytest

from underpass.agent.gpus import Gpus, GpuUse, parse_nvidia, parse_rocm

GIB = 1 << 30
NVIDIA = """0, GPU-aaaa1111-x, NVIDIA A100-SXM4-80GB, 87, 61440, 81920
1, GPU-bbbb2222-x, NVIDIA A100-SXM4-80GB, 3, 512, 81920
2, GPU-cccc3333-x, NVIDIA L4, [N/A], [N/A], 23034
"""
ROCM = """{"card0": {"Card Series": "AMD Instinct MI250X", "GPU use (%)": "41",
 "VRAM Total Memory (B)": "68702699520", "VRAM Total Used Memory (B)": "34351349760"},
 "card1": {"GPU use (%)": "0"}, "system": {"Driver version": "6.3"}}"""


def program(folder: Path, name: str, script: str) -> dict[str, str]:
    """A stand-in for a driver's program; the environment that finds it."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_gpus_that_are_ours() -> None:
    """CUDA_VISIBLE_DEVICES chooses by number or id; inside a cgroup the numbers start anew."""
    names = [gpu.name for gpu in parse_nvidia(NVIDIA, None)]
    assert names == ["NVIDIA A100-SXM4-80GB"] * 2 + ["NVIDIA L4"]
    assert [gpu.name for gpu in parse_nvidia(NVIDIA, "2")] == ["NVIDIA L4"]
    assert [gpu.percent for gpu in parse_nvidia(NVIDIA, "GPU-bbbb2222-x")] == [3]
    assert [gpu.name for gpu in parse_nvidia(NVIDIA, "7")] == ["NVIDIA A100-SXM4-80GB"]
    assert parse_nvidia("no devices were found\n", None) == []


def test_what_a_card_does_not_measure_is_not_told() -> None:
    """`[N/A]` is no zero."""
    first, _, last = parse_nvidia(NVIDIA, None)
    assert first == GpuUse("NVIDIA A100-SXM4-80GB", 87, 60 * GIB, 80 * GIB)
    assert (last.percent, last.memory_used_bytes) == (None, None)


def test_rocm() -> None:
    """The same from rocm-smi's JSON; what is not understood is left out."""
    first, second = parse_rocm(ROCM, None)
    assert (first.name, first.percent, first.memory_total_bytes) == (
        "AMD Instinct MI250X",
        41,
        68702699520,
    )
    assert second == GpuUse("AMD GPU", 0)
    assert [gpu.percent for gpu in parse_rocm(ROCM, "1")] == [0]
    assert parse_rocm("not json", None) == []


async def test_the_driver_is_asked(tmp_path: Path) -> None:
    """With a query that prints numbers alone."""
    environ = program(tmp_path, "nvidia-smi", f'echo "$@" >{tmp_path}/asked; cat <<E\n{NVIDIA}E')
    gpus = Gpus(environ | {"CUDA_VISIBLE_DEVICES": "0"})
    assert gpus.are_told
    assert [gpu.percent for gpu in await gpus.use()] == [87]
    assert await gpus.names() == ["NVIDIA A100-SXM4-80GB"]
    assert "--format=csv,noheader,nounits" in (tmp_path / "asked").read_text()


async def test_amd(tmp_path: Path) -> None:
    """Where there is rocm-smi instead."""
    environ = program(tmp_path, "rocm-smi", f"cat <<E\n{ROCM}\nE")
    assert [gpu.percent for gpu in await Gpus(environ).use()] == [41, 0]


async def test_a_driver_that_fails_tells_nothing(tmp_path: Path) -> None:
    """And the session goes on."""
    environ = program(tmp_path, "nvidia-smi", "echo no driver; exit 9")
    assert await Gpus(environ).use() == []


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles"])
async def test_no_gpus(tmp_path: Path, visible: str) -> None:
    """A job without GPUs has none, whatever the machine has; nobody is asked."""
    environ = program(tmp_path, "nvidia-smi", f"touch {tmp_path}/asked")
    gpus = Gpus(environ | {"CUDA_VISIBLE_DEVICES": visible})
    assert (gpus.are_told, await gpus.use()) == (False, [])
    assert not (tmp_path / "asked").exists()
    assert not Gpus({"PATH": str(tmp_path / "empty")}).are_told
