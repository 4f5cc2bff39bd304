"""A tunnel's provider is its owner's alone: for everybody else, admins included, it does not exist."""

import json

from tests.e2e.conftest import World
from tests.rig.stack import Person


def test_others_do_not_see_it(world: World) -> None:
    """Neither bob nor the admin finds the model in any list."""
    for stranger in (world.bob, world.root):
        api = world.stack.api(stranger)
        assert api.get("/v1/models?all=true").json()["data"] == []
        assert [p for p in api.items("/api/providers") if p["name"] in ("llama", "stub")] == []
        assert api.items("/api/sessions") == [] or stranger is world.root


def test_others_cannot_use_it(world: World) -> None:
    """A guessed name, in each form, is an unknown model to a stranger, word for word."""
    for stranger in (world.bob, world.root):
        api = world.stack.api(stranger)
        for model in ("stub/stub", "stub", "alice:stub/stub"):
            real = api.post("/v1/chat/completions", {"model": model, "messages": []})
            made_up = model.replace("stub", "gone")
            fake = api.post("/v1/chat/completions", {"model": made_up, "messages": []})
            assert real.status == fake.status == 404
            assert real.error["message"] == fake.error["message"].replace("gone", "stub")


def test_guessed_ids_are_404(world: World) -> None:
    """Every route with an id answers a stranger as if the id did not exist."""
    provider = world.stack.provider(world.alice, "stub")
    assert provider is not None
    tunnel, session = provider["tunnel"]["id"], provider["session"]["id"]
    bob = world.stack.api(world.bob)
    for method, path, body in [
        ("GET", f"/api/providers/{provider['id']}", None),
        ("PUT", f"/api/providers/{provider['id']}/permissions", {"everyone": True}),
        ("GET", f"/api/tunnels/{tunnel}", None),
        ("PATCH", f"/api/tunnels/{tunnel}", {"openai": False}),
        ("POST", f"/api/tunnels/{tunnel}/stop", {}),
        ("GET", f"/api/sessions/{session}", None),
        ("GET", f"/api/sessions/{session}/logs", None),
        ("POST", f"/api/sessions/{session}/stop", {}),
        ("POST", f"/api/sessions/{session}/restart", {}),
        ("DELETE", f"/api/sessions/{session}", None),
    ]:
        real = bob.call(method, path, body)
        fake = bob.call(method, path[:8] + path[8:].replace(path.split("/")[3], "xyz_0"), body)
        assert (method, path, real.status) == (method, path, 404)
        assert real.json()["code"] == fake.json()["code"]
    assert world.stack.wait_provider(world.alice, "stub", "running")


def test_sharing_is_refused(world: World) -> None:
    """Its owner cannot share it either: 409 `tunnel_not_shareable`."""
    provider = world.stack.provider(world.alice, "stub")
    assert provider is not None
    assert provider["shareable"] is False
    answer = world.hub.call(
        "PUT",
        f"/api/providers/{provider['id']}/permissions",
        {"users": [], "groups": [], "everyone": True},
    )
    assert answer.status == 409
    assert answer.json()["code"] == "tunnel_not_shareable"


def test_pushed_changes_are_the_callers_own(world: World) -> None:
    """The first event of a stranger's page has nothing of alice's."""
    for person, has_any in ((world.bob, False), (world.alice, True)):
        snapshot = _first_event(world, person)
        assert bool(snapshot["providers"]) is has_any
        assert ("llama" in json.dumps(snapshot)) is has_any


def _first_event(world: World, person: Person) -> dict[str, object]:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", world.stack.port, timeout=10)
    connection.request("GET", "/api/events", headers={"Authorization": f"Bearer {person.key}"})
    answer = connection.getresponse()
    assert answer.status == 200
    while line := answer.readline():
        if line.startswith(b"data:"):
            connection.close()
            found: dict[str, object] = json.loads(line[5:])
            return found
    raise AssertionError("no event came")


def test_words_are_never_logged(world: World) -> None:
    """What is asked and what is answered is in no log of hub or agent, nor is a key."""
    secret = "xylophone-marmalade-7431"
    body = {
        "model": "llama/tiny",
        "messages": [{"role": "user", "content": secret}],
        "max_tokens": 8,
    }
    answer = world.hub.post("/v1/chat/completions", body)
    said = answer.json()["choices"][0]["message"]["content"]
    assert len(said) > 5
    logs = [world.stack.hub.output(), *(agent.output() for agent in world.stack.agents)]
    logs += [p.read_text(errors="replace") for p in world.stack.data_dir.rglob("*.log")]
    for log in logs:
        assert secret not in log
        assert said not in log
        assert world.alice.key not in log


def test_what_passes_the_gateway_is_stored_nowhere(world: World) -> None:
    """Neither question nor answer is in the database, its log, or any other file of the hub."""
    secret = "tangerine-bassoon-9024"
    body = {"model": "stub/stub", "messages": [{"role": "user", "content": secret}]}
    for is_stream in (True, False):
        answer = world.hub.post(
            "/v1/chat/completions", {**body, "stream": is_stream, "stub": {"text": secret[::-1]}}
        )
        assert answer.status == 200
    usage = world.hub.get("/api/usage")
    assert usage.status == 200
    files = [path for path in world.stack.data_dir.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert secret.encode() not in content, path
        assert secret[::-1].encode() not in content, path
        assert b"numbered bytes" not in content, path
