"""What this machine is."""

from underpass.agent.host import gpu_names, host_name, parse_gpus, user_name

LISTING = """0, GPU-aaaa1111-x, NVIDIA A100-SXM4-80GB
1, GPU-bbbb2222-x, NVIDIA A100-SXM4-80GB
2, GPU-cccc3333-x, NVIDIA L4
"""


def test_gpus_that_are_ours() -> None:
    """CUDA_VISIBLE_DEVICES chooses by number or id; inside a cgroup the numbers start anew."""
    assert parse_gpus(LISTING, None) == ["NVIDIA A100-SXM4-80GB"] * 2 + ["NVIDIA L4"]
    assert parse_gpus(LISTING, "2") == ["NVIDIA L4"]
    assert parse_gpus(LISTING, "GPU-bbbb2222-x") == ["NVIDIA A100-SXM4-80GB"]
    assert parse_gpus("0, GPU-a, NVIDIA L4\n", "3") == ["NVIDIA L4"]
    assert parse_gpus("no devices were found\n", None) == []


async def test_no_gpus() -> None:
    """A job without GPUs has none, whatever the machine has."""
    assert await gpu_names({"CUDA_VISIBLE_DEVICES": ""}) == []
    assert await gpu_names({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}) == []


def test_names() -> None:
    """Short, and never empty."""
    assert host_name()
    assert "." not in host_name()
    assert user_name()
