"""Compute nodes without a way out, in network namespaces: login node yes, compute node no."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.netns import HUB_ADDRESS, SiteNetwork
from tests.rig.processes import Process, clean_environment
from tests.rig.stack import PASSWORD, UNDERPASS
from tests.rig.stub import ROOT
from tests.rig.tls import make_private_ca
from tests.rig.waiting import eventually

pytestmark = pytest.mark.timeout(180)
HUB = f"https://{HUB_ADDRESS}:8443"


class Lab:
    """A hub, a login node that has joined, and a compute node where agents are started by hand."""

    def __init__(self, network: SiteNetwork, folder: Path) -> None:
        self.network = network
        self.folder = folder
        self.jobs = folder / "jobs"
        self.key = ""
        self.processes: list[Process] = []
        self.ca = make_private_ca(folder, HUB_ADDRESS)

    def start(self) -> None:
        """The hub, its user, and the login node that joins."""
        network, folder = self.network, self.folder
        data = ["--data-dir", str(folder / "data")]
        words = ["admin", "users", "add", "alice", "--password-stdin", *data]
        subprocess.run(
            [*UNDERPASS, *words], input=PASSWORD + "\n", text=True, check=True, env=self._own()
        )
        made = subprocess.run(
            [*UNDERPASS, "admin", "keys", "add", "alice", *data],
            capture_output=True,
            text=True,
            check=True,
            env=self._own(),
        )
        self.key = made.stdout.strip()
        settings = folder / "hub.toml"
        settings.write_text(
            f'tls_certificate = "{self.ca.certificate}"\ntls_key = "{self.ca.key}"\n'
        )
        listen = ["hub", "--host", HUB_ADDRESS, "--port", "8443", *data, "--config", str(settings)]
        self.processes.append(self._start(network.hub, "hub", *listen))
        eventually(lambda: self.call("GET", "/readyz") is not None, 30, "the hub")
        join = ["clusters", "join", "--kind", "local", "--relay", "--name", "lab"]
        login = self._start(network.login, "login", *join, "--folder", str(self.jobs))
        self.processes.append(login)
        login.wait_for_output("Link           running", 30)
        assert f"to {HUB_ADDRESS}:8443 only" in login.output()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A REST call from the hub's own network; None where nobody answers."""
        words = ["curl", "-s", "--cacert", str(self.ca.ca_file), "-X", method, HUB + path]
        words += ["-H", f"Authorization: Bearer {self.key}", "-H", "Content-Type: application/json"]
        words += ["-w", "\n%{http_code}"] + ([] if body is None else ["-d", json.dumps(body)])
        done = subprocess.run(
            self.network.inside(self.network.hub, words), capture_output=True, text=True, timeout=30
        )
        text, _, code = done.stdout.rpartition("\n")
        if done.returncode or not code.startswith("2"):
            return None
        return json.loads(text) if text.strip().startswith(("{", "[")) else {}

    def agent(self, name: str) -> dict[str, Any]:
        """A job's agent on the compute node, with the launch file that a cluster's adapter writes."""
        made = self.call("POST", "/api/sessions", {"attach": True, "name": name, "host": "gpu17"})
        job = self.folder / name
        job.mkdir()
        token, spec = job / "token", job / "spec.json"
        token.write_text(made["token"])
        server = [sys.executable, "-m", "tests.fakes.stub_server", "--port", "{port}"]
        document = {"format": 1, "hub": HUB, "token_file": str(token), "target": "{port}"}
        document |= {"session_id": made["session"]["id"], "command": server, "tunnel": name}
        document |= {"ca_file": str(self.ca.ca_file), "relay_file": str(self.jobs / "relay.json")}
        spec.write_text(json.dumps(document | {"cwd": str(ROOT)}))
        for file in (token, spec):
            file.chmod(0o600)
        run = ("agent", "--spec", str(spec))
        self.processes.append(self._start(self.network.compute, name, *run))
        session: dict[str, Any] = made["session"]
        return session

    def running(self, session: dict[str, Any]) -> dict[str, Any]:
        """The session once its model answers."""

        def is_there() -> bool:
            found = self.call("GET", "/api/providers")["items"]
            return any(p["status"] == "running" and p["name"] == session["name"] for p in found)

        try:
            eventually(is_there, 60, "a running provider")
        except AssertionError as error:
            said = "\n".join(process.tail(8) for process in self.processes)
            raise AssertionError(f"{error}\n{said}") from None
        found: dict[str, Any] = self.call("GET", f"/api/sessions/{session['id']}")
        return found

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()

    def _start(self, place: str, name: str, *words: str) -> Process:
        command = self.network.inside(place, [*UNDERPASS, *words])
        return Process(command, self.folder / f"{name}.log", self._own(), cwd=self.folder)

    def _own(self) -> dict[str, str]:
        own = {"XDG_CONFIG_HOME": str(self.folder / "config"), "COLUMNS": "200"}
        own |= {"UNDERPASS_HUB": HUB, "UNDERPASS_CA_FILE": str(self.ca.ca_file)}
        return clean_environment(own | {"UNDERPASS_KEY": self.key})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    network = SiteNetwork()
    made = Lab(network, tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        network.close()


def test_through_the_login_node_and_directly(lab: Lab) -> None:
    """Found by itself and said; the login node's secret is in no log; with a route, directly."""
    session = lab.running(lab.agent("closed"))
    assert session["via"] == "login node"
    said = [event["text"] for event in session["timeline"]]
    assert any("through the login node" in text for text in said)
    body = {"model": "closed/stub", "messages": [], "max_tokens": 4}
    answer = lab.call("POST", "/v1/chat/completions", body)
    assert answer["choices"]
    secret = (
        json.loads((lab.jobs / "relay.json").read_text())["urls"][0].split(":")[2].split("@")[0]
    )
    assert secret.startswith("upr_")
    for process in lab.processes:
        assert secret not in process.output()
    lab.network.let_out()
    assert lab.running(lab.agent("open"))["via"] == "direct"
