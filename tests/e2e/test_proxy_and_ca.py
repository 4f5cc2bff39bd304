"""Out of a closed network: the agent reaches its hub through a forward proxy that asks for a password,
and trusts a private certificate authority when it is told to, and only then."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import MakeStack
from tests.rig.proxy import Tinyproxy
from tests.rig.stack import Person, Stack
from tests.rig.stub import StubProcess
from tests.rig.tls import PrivateCa, TlsFront, outer_address


@pytest.fixture
def fronted(
    make_stack: MakeStack, private_ca: PrivateCa, tmp_path: Path
) -> Iterator[tuple[Stack, Person, TlsFront]]:
    """A hub behind nginx with a certificate of the private authority."""
    stack = make_stack()
    front = TlsFront(tmp_path, private_ca, stack.port)
    yield stack, stack.add_person("alice"), front
    front.stop()


Fronted = tuple[Stack, Person, TlsFront]


def test_through_proxy_and_private_authority(
    fronted: Fronted, tinyproxy: Tinyproxy, private_ca: PrivateCa, stub_process: StubProcess
) -> None:
    """With the proxy's address and the authority's file the model is there and answers."""
    stack, alice, front = fronted
    agent = stack.open_tunnel(
        alice,
        str(stub_process.port),
        "box",
        hub_url=front.outer_url,
        environment={
            "HTTPS_PROXY": tinyproxy.url,
            "UNDERPASS_CA_FILE": str(private_ca.ca_file),
        },
    )
    body = {"model": "box/stub", "stream": True, "stub": {"chunks": 20}}
    answer = stack.api(alice).post("/v1/chat/completions", body)
    assert answer.body.count(b"data: ") == 21
    assert any(f":{front.port} " in line for line in tinyproxy.connects())
    listens = [c for c in psutil.Process(agent.pid).net_connections() if c.status == "LISTEN"]
    assert listens == []
    remote = {c.raddr.port for c in psutil.Process(agent.pid).net_connections() if c.raddr}
    assert remote <= {tinyproxy.port, stub_process.port}
    assert tinyproxy.password not in agent.output()


def test_no_proxy_is_respected(
    fronted: Fronted, tinyproxy: Tinyproxy, private_ca: PrivateCa, stub_process: StubProcess
) -> None:
    """NO_PROXY names the hub, so nothing goes through the proxy."""
    stack, alice, front = fronted
    stack.open_tunnel(
        alice,
        str(stub_process.port),
        "box",
        hub_url=front.outer_url,
        environment={
            "HTTPS_PROXY": tinyproxy.url,
            "NO_PROXY": outer_address(),
            "UNDERPASS_CA_FILE": str(private_ca.ca_file),
        },
    )
    assert tinyproxy.connects() == []


def test_an_unknown_authority_is_one_clear_line(
    fronted: Fronted, stub_process: StubProcess
) -> None:
    """Without the authority's file the agent says so, and which setting it takes."""
    stack, alice, front = fronted
    agent = stack.start_tunnel(alice, str(stub_process.port), "box", hub_url=front.outer_url)
    agent.wait_for_output("UNDERPASS_CA_FILE")
    assert "Traceback" not in agent.output()
    agent.stop()


def test_a_wrong_proxy_password_is_one_clear_line(
    fronted: Fronted, tinyproxy: Tinyproxy, private_ca: PrivateCa, stub_process: StubProcess
) -> None:
    """The proxy's refusal is told as what it is, without the password that was tried."""
    stack, alice, front = fronted
    wrong = tinyproxy.url.replace(tinyproxy.password, "not-the-password")
    agent = stack.start_tunnel(
        alice,
        str(stub_process.port),
        "box",
        hub_url=front.outer_url,
        environment={"HTTPS_PROXY": wrong, "UNDERPASS_CA_FILE": str(private_ca.ca_file)},
    )
    agent.wait_for_output("does not accept that user and password")
    assert "Traceback" not in agent.output()
    assert "not-the-password" not in agent.output()
    agent.stop()


def test_plain_http_is_for_loopback(make_stack: MakeStack, stub_process: StubProcess) -> None:
    """A hub elsewhere over `http://` is refused until `--insecure-http` is spelt out."""
    stack = make_stack()
    alice = stack.add_person("alice")
    agent = stack.start_tunnel(
        alice, str(stub_process.port), "box", hub_url="http://hub.example.org"
    )
    assert agent.wait() == 1
    assert "--insecure-http" in agent.output()
