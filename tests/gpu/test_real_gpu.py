"""The whole stack with a model server on a real GPU: opt-in, as most machines have none.

    UNDERPASS_GPU=1 python -m pytest -c /dev/null --rootdir . --noconftest -s tests/gpu

Needs nvidia-smi, and `transformers[serving]` with torch for CUDA beside the hub's own packages. What is
measured is printed; what must hold on any GPU is asserted.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.rig.needs import opted_in
from tests.rig.stack import Person, Stack
from tests.rig.waiting import eventually

HOW = "UNDERPASS_GPU=1 python -m pytest -c /dev/null --rootdir . --noconftest -s tests/gpu"
START_S = 180.0
HUNGRY = "import torch; a = [torch.empty(1 << 30, device='cuda') for _ in range(1000)]"


class Lab:
    """A hub on this machine, and its admin, who may start sessions here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = Stack(folder / "stack")
        self.stack.hub.stop()
        passed_on = ("LD_LIBRARY_PATH", "CUDA_HOME", "PYTHONPATH")
        self.stack.hub_environment = {n: os.environ[n] for n in passed_on if n in os.environ}
        self.stack.start_hub()
        self.root: Person = self.stack.add_person("root", is_admin=True)
        self.api = self.stack.api(self.root)

    def start(self, **body: Any) -> str:
        """A session's id."""
        made = self.api.post("/api/sessions", body)
        assert made.status == 202, made.body
        return str(made.json()["id"])

    def session(self, session_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/api/sessions/{session_id}").json()
        return found

    def until(self, session_id: str, *statuses: str) -> dict[str, Any]:
        """The session once it has one of these statuses."""

        def found() -> dict[str, Any] | None:
            now = self.session(session_id)
            return now if now["status"] in statuses else None

        try:
            there = eventually(found, START_S, f"session {statuses}")
        except AssertionError:
            print(self.log(session_id)[-3000:])
            raise
        assert there is not None
        return there

    def log(self, session_id: str) -> str:
        lines = self.api.get(f"/api/sessions/{session_id}/logs?tail=60").json()["items"]
        return "\n".join(line["text"] for line in lines)


@pytest.fixture(scope="module", autouse=True)
def _somebody_asked_for_a_gpu() -> None:
    """`pytest` alone never comes here (norecursedirs); who names this folder is told how."""
    opted_in("UNDERPASS_GPU", HOW)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("gpu")
    (folder / "stack").mkdir()
    lab = Lab(folder)
    try:
        yield lab
    finally:
        lab.stack.stop()


@pytest.fixture(scope="module")
def model(lab: Lab) -> Path:
    """The folder of a model of random weights."""
    folder = lab.folder / "model"
    made = Path(__file__).with_name("make_model.py")
    subprocess.run([sys.executable, str(made), str(folder)], check=True, timeout=120)
    return folder


def gpu_percent() -> float:
    """Of the first GPU, as its driver tells."""
    query = [
        "nvidia-smi",
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        "-i",
        "0",
    ]
    return float(subprocess.run(query, capture_output=True, text=True, check=True).stdout)


def ask(url: str, model: str, key: str = "", tokens: int = 64) -> tuple[float, float, str]:
    """One streamed answer: seconds to its first text, to its end, and the text."""
    body = {"model": model, "stream": True, "max_tokens": tokens, "temperature": 0}
    body["messages"] = [{"role": "user", "content": "Count"}]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    began, first, text = time.monotonic(), 0.0, ""
    with urllib.request.urlopen(request, timeout=120) as answer:
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            choices = json.loads(line[6:])["choices"]
            piece = (choices[0]["delta"].get("content") or "") if choices else ""
            if piece and not first:
                first = time.monotonic() - began
            text += piece
    return first, time.monotonic() - began, text


def test_a_model_on_a_gpu_is_a_provider_with_its_gauges(lab: Lab, model: Path) -> None:
    """From the template to an answer: which GPU, how full, how busy; the same words as without us."""
    assert shutil.which("transformers"), "pip install 'transformers[serving]'"
    params = {"model": str(model), "device": "cuda", "offline": True}
    began = time.monotonic()
    session_id = lab.start(template="transformers", name="gpu", params=params)
    running = lab.until(session_id, "running", "failed", "stopped")
    assert running["status"] == "running", lab.log(session_id)
    provider = lab.stack.wait_provider(lab.root, "gpu", "running", START_S)
    print(f"\nstart to a real answer: {time.monotonic() - began:.1f} s")
    print("timeline:", [one["text"] for one in lab.session(session_id)["timeline"]])
    assert provider["session"]["gpus"], "the provider does not say which GPU it runs on"
    print("gpus:", provider["session"]["gpus"], "models:", [m["id"] for m in provider["models"]])
    target = running["tunnels"][0]["target"]
    direct = (f"http://{target}/v1/chat/completions", str(model))
    ours = (f"{lab.stack.url}/v1/chat/completions", f"gpu/{model}", lab.root.key)
    ask(*direct)
    without, through = [], []
    for _ in range(5):
        without.append(ask(*direct))
        through.append(ask(*ours))
    for name, rounds in (("direct", without), ("through", through)):
        first = median(one[0] for one in rounds)
        whole = median(one[1] for one in rounds)
        print(f"{name}: first text {1000 * first:.1f} ms, 64 tokens in {1000 * whole:.0f} ms")
    assert {one[2] for one in without} == {one[2] for one in through}

    def gauges() -> dict[str, Any] | None:
        ask(*ours, tokens=400)
        found = lab.api.get(f"/api/sessions/{session_id}/metrics").json()
        busy = [gpu for gpu in found["gpus"] if (gpu["percent"] or 0) > 0]
        return found if busy else None

    found = eventually(gauges, 60, "a busy GPU in the session's gauges")
    assert found is not None
    (gpu, *_) = found["gpus"]
    print("gauges:", gpu, "points:", found["points"][-1:])
    assert gpu["memory_used_bytes"] > 1 << 30
    assert gpu["memory_total_bytes"] > gpu["memory_used_bytes"]
    _stop_frees_it(*ours)
    lab.api.post(f"/api/sessions/{session_id}/stop")
    assert lab.until(session_id, "stopped")["end_reason"] == "user"


def _stop_frees_it(url: str, model: str, key: str) -> None:
    """A client that goes away: how long the GPU works on for nobody. The server's own affair, printed."""
    body = {"model": model, "stream": True, "max_tokens": 4000}
    body["messages"] = [{"role": "user", "content": "Count"}]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        for _ in range(400):
            answer.readline()
        print("gpu while it answers:", gpu_percent(), "%")
    gone = time.monotonic()
    eventually(lambda: gpu_percent() <= 5, 30, "the GPU is idle")
    print(f"gpu idle {time.monotonic() - gone:.2f} s after its client went: {gpu_percent()} %")


def test_a_server_that_needs_more_than_the_gpu_has_says_so(lab: Lab) -> None:
    """The driver's own words become the end's reason and its advice."""
    command = f'{sys.executable} -c "{HUNGRY}" {{port}}'
    session_id = lab.start(template="custom", name="hungry", params={"command": command})
    ended = lab.until(session_id, "failed", "stopped")
    print("\nend:", ended["end_reason"], "|", ended["end_message"], "|", ended["status_reason"])
    assert ended["end_reason"] == "out_of_memory", lab.log(session_id)
