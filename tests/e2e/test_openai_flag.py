"""The OpenAI flag of a tunnel, turned off and on while a real agent serves a real server."""

from tests.e2e.conftest import MakeStack
from tests.rig.processes import Process
from tests.rig.stack import UNDERPASS
from tests.rig.stub import StubProcess
from tests.rig.waiting import eventually


def test_the_provider_goes_and_comes_with_the_flag(
    make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """Off: no provider, and the model is unknown. On: it answers again, with its models."""
    stack = make_stack()
    alice = stack.add_person("alice")
    stack.open_tunnel(alice, str(stub_process.port), "box")
    api = stack.api(alice)
    provider = stack.provider(alice, "box")
    assert provider is not None
    path = f"/api/tunnels/{provider['tunnel']['id']}"
    ask = {"model": "box/stub", "messages": []}
    assert api.call("PATCH", path, {"openai": False}).status == 200
    assert stack.provider(alice, "box") is None
    assert api.post("/v1/chat/completions", ask).status == 404
    assert api.call("PATCH", path, {"openai": True}).status == 200
    stack.wait_provider(alice, "box", "running")
    assert api.post("/v1/chat/completions", ask).status == 200


def test_a_plain_tunnel_becomes_a_provider(
    make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """An agent that was started without --openai serves models once the flag is on."""
    stack = make_stack()
    alice = stack.add_person("alice")
    environment = {"UNDERPASS_HUB": stack.url, "UNDERPASS_KEY": alice.key}

    command = [*UNDERPASS, "tunnel", str(stub_process.port), "--name", "box"]
    agent = Process(command, stack.folder / "plain.log", stack.environment(**environment))
    stack.agents.append(agent)
    api = stack.api(alice)
    found = eventually(lambda: api.items("/api/tunnels"), 20, "the tunnel")
    path = f"/api/tunnels/{found[0]['id']}"
    eventually(lambda: api.get(path).json()["status"] == "running", 10)
    assert api.items("/api/providers") == []
    assert api.call("PATCH", path, {"openai": True}).status == 200
    provider = stack.wait_provider(alice, "box", "running", agent=agent)
    assert [model["name"] for model in provider["models"]] == ["stub"]
    answer = api.post("/v1/chat/completions", {"model": "box/stub", "messages": []})
    assert answer.status == 200
