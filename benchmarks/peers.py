"""`python -m benchmarks.peers`: what people would take instead, and Underpass, in one run under one load.

ssh         OpenSSH's `ssh -R`: bytes only, no sign-in, no routes, nothing resumed
asyncssh    the same by a well-kept library in Python: what Python costs by itself
litellm     LiteLLM's proxy over `ssh -R`: the gateway that people put in front of a tunnel
open-webui  Open WebUI's pass-through over `ssh -R`, with `--with-open-webui`: it installs several GB
underpass   hub and agent; and again with TLS up to the agent, ended by nginx as sites do it

CPU is that of all processes on the way, per chunk of a stream and per small call.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

import uvloop

from benchmarks.load import run_calls, run_streams
from benchmarks.measure import percentile
from benchmarks.paths import Carriers, Way
from tests.rig.processes import Process, free_port
from tests.rig.sshd import Sshd
from tests.rig.stack import Stack
from tests.rig.stub import ROOT, StubProcess
from tests.rig.tls import TlsFront, make_private_ca

CALLERS = 4
RATES = {1: 200.0, 25: 200.0, 100: 200.0, 250: 20.0}
"""Streams at once and the chunks a second of each: a model's pace, and for the most of them a reader's.
One user of Underpass has 256 calls at once; more are in `benchmarks.scale`."""
CHUNK_BYTES = 200
ASYNCSSH = Path(__file__).parent / "peer_programs" / "asyncssh_ends.py"
LITELLM_CONFIG = """
model_list:
  - model_name: stub
    litellm_params: {{model: openai/stub, api_base: "http://127.0.0.1:{port}/v1", api_key: none}}
litellm_settings: {{telemetry: false, drop_params: false}}
"""
LITELLM_READY_S = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--with-open-webui", action="store_true")
    arguments = parser.parse_args()
    print(measure(arguments.rounds, arguments.seconds, with_open_webui=arguments.with_open_webui))


def measure(rounds: int = 3, seconds: float = 2.0, *, with_open_webui: bool = False) -> str:
    """The table, in Markdown: a row for each way, medians over the rounds."""
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="underpass-bench-") as name, ExitStack() as ends:
        ways = ends.enter_context(_open_ways(Path(name), with_open_webui=with_open_webui))
        for _ in range(rounds):
            for way in ways:
                found.setdefault(way.name, []).append(_measure(way, seconds))
    return _as_table(found)


# --- the ways ------------------------------------------------------------------------------------


@contextmanager
def _open_ways(folder: Path, *, with_open_webui: bool) -> Iterator[list[Way]]:
    python = _installed("peers.sh")
    with ExitStack() as ends:
        stub = StubProcess(folder / "stub.log")
        ends.callback(stub.stop)
        ssh = _open_ssh(folder, stub, ends)
        yield [
            ssh,
            _open_asyncssh(folder, stub, python, ends),
            _open_litellm(folder, ssh, python, ends),
            *([_open_open_webui(folder, ssh, ends)] if with_open_webui else []),
            *_open_underpass(folder, stub, ends),
        ]


def _installed(script_name: str) -> str:
    """Where the script says that it has installed something; it does so at the first time."""
    script = [str(ROOT / "scripts" / script_name)]
    return subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _open_ssh(folder: Path, stub: StubProcess, ends: ExitStack) -> Way:
    sshd = Sshd(folder)
    ends.callback(sshd.stop)
    far = free_port()
    command = sshd.ssh_command("-N", "-R", f"127.0.0.1:{far}:127.0.0.1:{stub.port}")
    ssh = ends.enter_context(Process(command, folder / "ssh.log"))
    ssh.wait_until_listening(far)
    carriers = {"sshd": Carriers(sshd.process.pid), "ssh": Carriers(ssh.pid)}
    return Way("ssh -R", far, "stub", carriers=carriers)


def _open_asyncssh(folder: Path, stub: StubProcess, python: str, ends: ExitStack) -> Way:
    port, far = free_port(), free_port()
    server = Process([python, str(ASYNCSSH), "server", str(port)], folder / "asyncssh-server.log")
    ends.enter_context(server)
    server.wait_until_listening(port)
    words = ["client", str(port), str(far), str(stub.port)]
    client = Process([python, str(ASYNCSSH), *words], folder / "asyncssh-client.log")
    ends.enter_context(client)
    server.wait_until_listening(far)
    carriers = {"server": Carriers(server.pid), "client": Carriers(client.pid)}
    return Way("asyncssh", far, "stub", carriers=carriers)


def _open_litellm(folder: Path, ssh: Way, python: str, ends: ExitStack) -> Way:
    config, port = folder / "litellm.yaml", free_port()
    config.write_text(LITELLM_CONFIG.format(port=ssh.port))
    program = Path(python).with_name("litellm")
    words = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    key = f"sk-{secrets.token_hex(16)}"
    environment = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would be fetched from outside otherwise
        "LITELLM_LOG": "ERROR",
        "LITELLM_MASTER_KEY": key,
    }
    proxy = Process([str(program), *words], folder / "litellm.log", environment)
    ends.enter_context(proxy)
    proxy.wait_until_listening(port, LITELLM_READY_S)
    carriers = {"litellm": Carriers(proxy.pid), **ssh.carriers}
    return Way("LiteLLM over ssh -R", port, "stub", key, carriers)


def _open_open_webui(folder: Path, ssh: Way, ends: ExitStack) -> Way:
    """Its own account, its admin's; nothing of it calls outside."""
    port = free_port()
    program = Path(_installed("open_webui.sh")) / "open-webui"
    environment = {
        "DATA_DIR": str(folder / "open-webui"),
        "OPENAI_API_BASE_URL": f"http://127.0.0.1:{ssh.port}/v1",
        "OPENAI_API_KEY": "none",
        "WEBUI_SECRET_KEY": secrets.token_hex(16),
        "ENABLE_OLLAMA_API": "False",
        "OFFLINE_MODE": "True",
        "RAG_EMBEDDING_ENGINE": "openai",  # else a model is loaded to embed documents
        "GLOBAL_LOG_LEVEL": "ERROR",
    }
    words = [str(program), "serve", "--host", "127.0.0.1", "--port", str(port)]
    server = Process(words, folder / "open-webui.log", environment)
    ends.enter_context(server)
    server.wait_until_listening(port, LITELLM_READY_S)
    account = {"name": "bench", "email": "bench@example.org", "password": secrets.token_hex(16)}
    key = _post(f"http://127.0.0.1:{port}/api/v1/auths/signup", account)["token"]
    carriers = {"open-webui": Carriers(server.pid), **ssh.carriers}
    way = Way("Open WebUI over ssh -R", port, "stub", key, carriers)
    return replace(way, chat_path="/openai/chat/completions")


def _post(url: str, body: dict[str, str]) -> dict[str, Any]:
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _open_underpass(folder: Path, stub: StubProcess, ends: ExitStack) -> list[Way]:
    stack = Stack(folder)
    ends.callback(stack.stop)
    person = stack.add_person("bench")
    hub = Carriers(stack.hub.pid)
    plain = stack.open_tunnel(person, str(stub.port), "plain")
    authority = make_private_ca(folder)
    front = TlsFront(folder, authority, stack.port)
    ends.callback(front.stop)
    trust = {"UNDERPASS_CA_FILE": str(authority.ca_file)}
    target = str(stub.port)
    secure = stack.open_tunnel(person, target, "tls", hub_url=front.url, environment=trust)
    agents = {"hub": hub, "agent": Carriers(plain.pid)}
    with_tls = {"hub": hub, "agent": Carriers(secure.pid), "nginx": Carriers(front.process.pid)}
    return [
        Way("Underpass", stack.port, "plain/stub", person.key, agents),
        Way("Underpass, TLS to the agent", stack.port, "tls/stub", person.key, with_tls),
    ]


# --- the load ------------------------------------------------------------------------------------


def _measure(way: Way, seconds: float) -> dict[str, float]:
    found = {_at(count): _chunk_us(way, count, rate, seconds) for count, rate in RATES.items()}
    before = _cpu_s(way)
    calls, took_ms = uvloop.run(run_calls(way, CALLERS, seconds))
    return found | {
        "call": 1e6 * (_cpu_s(way) - before) / calls,
        "calls": calls / seconds,
        "p50": percentile(took_ms, 0.5),
    }


def _chunk_us(way: Way, count: int, rate: float, seconds: float) -> float:
    before = _cpu_s(way)
    results, _ = uvloop.run(run_streams(way, count, rate, seconds, CHUNK_BYTES))
    return 1e6 * (_cpu_s(way) - before) / sum(len(one.delays_ms) for one in results)


def _at(count: int) -> str:
    return f"{count} × {RATES[count]:g}/s"


def _cpu_s(way: Way) -> float:
    return sum(carriers.cpu_s() for carriers in way.carriers.values())


def _as_table(found: dict[str, list[dict[str, float]]]) -> str:
    medians = {
        name: {what: median(one[what] for one in rounds) for what in rounds[0]}
        for name, rounds in found.items()
    }
    ssh = medians["ssh -R"]
    load = f"CPU a chunk of {CHUNK_BYTES} B, µs (of ssh -R's), by streams"
    heads = [*map(_at, RATES), f"CPU a call, µs ({CALLERS} callers)", "calls /s", "call p50, ms"]
    lines = [f"| {' | '.join([load, *heads])} |", f"|---|{'---:|' * len(heads)}"]
    for name, one in medians.items():
        chunks = [f"{one[at]:.1f} ({one[at] / ssh[at]:.2f})" for at in map(_at, RATES)]
        cells = [name, *chunks, f"{one['call']:,.0f}", f"{one['calls']:,.0f}", f"{one['p50']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
