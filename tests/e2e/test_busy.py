"""How busy a session is: llama-server's counters and a stand-in for the GPU's driver, through a real hub."""

from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_gpus import NVIDIA, program
from tests.e2e.conftest import MakeStack
from tests.e2e.test_sessions_local import _session, _wait_ended
from tests.rig.needs import find_llama_server
from tests.rig.waiting import eventually


@pytest.mark.timeout(180)
def test_tokens_and_gpus_are_told(
    make_stack: MakeStack, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points for charts with tokens per second, the GPU's load and memory; the next start of its kind has an
    estimate."""
    own = program(tmp_path, "nvidia-smi", f"cat <<E\n{NVIDIA}E")["PATH"]
    there = Path(find_llama_server()).parent
    monkeypatch.setenv("PATH", f"{own}:{there}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    stack = make_stack()
    alice = stack.add_person("alice", is_admin=True)
    api = stack.api(alice)
    params = {"model": str(tiny_model), "context": 512, "parallel": 1, "args": ["--threads", "1"]}
    params |= {"env": {"CUDA_VISIBLE_DEVICES": "0"}}
    body: dict[str, Any] = {"template": "llama.cpp", "name": "box", "params": params}
    assert api.post("/api/sessions", body).status == 202
    stack.wait_provider(alice, "box", "running", 60)
    session = _session(stack, alice, "box")
    path = f"/api/sessions/{session['id']}/metrics"
    asked = {"model": "box/tiny", "max_tokens": 64}
    asked |= {"messages": [{"role": "user", "content": "hi"}]}

    def written() -> dict[str, Any] | None:
        assert api.post("/v1/chat/completions", asked).status == 200
        found: dict[str, Any] = api.get(path).json()
        return found if any(one["tokens_per_s"] for one in found["points"]) else None

    told = eventually(written, 60, "tokens per second")
    assert told is not None
    assert told["points"][-1]["prompt_tokens_per_s"] is not None
    assert [gpu["name"] for gpu in told["gpus"]][:1] == ["NVIDIA A100-SXM4-80GB"]
    assert told["points"][-1]["gpu_memory_percent"] is not None
    shown = stack.cli("sessions", "show", "box", **_signed_in(stack, alice))
    assert "tokens/s" in shown
    assert "% busy" in shown
    assert api.post(f"/api/sessions/{session['id']}/restart").status == 202
    eventually(
        lambda: (
            (_session(stack, alice, "box")["expected_running_at"] is not None)
            or _session(stack, alice, "box")["status"] == "running"
        ),
        60,
        "an estimate, or it was faster than a look",
    )
    assert api.post(f"/api/sessions/{session['id']}/stop").status == 202
    _wait_ended(stack, alice, "box")


def _signed_in(stack: Any, person: Any) -> dict[str, str]:
    return {"UNDERPASS_HUB": stack.url, "UNDERPASS_KEY": person.key}
