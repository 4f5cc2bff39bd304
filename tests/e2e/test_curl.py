"""curl, the client that everyone tries first."""

import json
import subprocess

from tests.e2e.conftest import World
from tests.rig.needs import find_program


def _curl(world: World, *arguments: str, stdin: str = "") -> str:
    key = f"Authorization: Bearer {world.alice.key}"
    done = subprocess.run(
        [find_program("curl"), "-sS", "--noproxy", "*", "-H", key, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl_streams(world: World) -> None:
    """`curl -N` prints the events as they come, up to `[DONE]`."""
    body = {
        "model": "llama/tiny",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 20,
        "stream": True,
    }
    json_type = "Content-Type: application/json"
    url = f"{world.v1}/chat/completions"
    out = _curl(world, "-N", url, "-H", json_type, "-d", json.dumps(body))
    events = [line for line in out.splitlines() if line.startswith("data: ")]
    assert len(events) > 10
    assert events[-1] == "data: [DONE]"


def test_curl_sends_a_large_body(world: World) -> None:
    """A body that makes curl ask `Expect: 100-continue` arrives whole."""
    body = {"model": "stub/stub", "messages": [], "pad": "x" * 2_000_000}
    upload = ["-H", "Content-Type: application/json", "--data-binary", "@-"]
    out = _curl(world, *upload, f"{world.v1}/chat/completions", stdin=json.dumps(body))
    assert json.loads(out)["received"]["bytes"] > 2_000_000
