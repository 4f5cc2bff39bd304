"""Planted secrets: after a full run they are in no log, error, database, metric, export or process list."""

import json
import time
from pathlib import Path

import psutil

from tests.e2e.conftest import MakeStack
from tests.rig.stack import PASSWORD, Stack
from tests.rig.stub import StubProcess
from underpass.hub.auth import totp

KEY = "sk-planted-provider-key"
HEADER = "planted-header-value"
PROMPT = "planted words of a user"
TYPED_WRONG = "planted-wrong-password"


def test_no_secret_is_anywhere(
    make_stack: MakeStack, stub_process: StubProcess, tmp_path: Path
) -> None:
    """Passwords, keys, tokens, a provider's key and headers, and what was typed to a model."""
    config = tmp_path / "hub.toml"
    config.write_text('allowed_networks = "127.0.0.1"\nlog_level = "debug"\n')
    stack = make_stack(hub_options=["--config", str(config)])
    alice, root = stack.add_person("alice"), stack.add_person("root", is_admin=True)
    secrets = {KEY, HEADER, PASSWORD, TYPED_WRONG, alice.key, root.key}
    stack.open_tunnel(alice, str(stub_process.port), "box")
    secrets |= use_everything(stack, stub_process)
    everywhere = {
        **{str(path): path.read_bytes() for path in stack.folder.rglob("*.log")},
        **{str(path): path.read_bytes() for path in database_files(stack)},
        **answers(stack),
        "processes": "\n".join(" ".join(one.info["cmdline"] or ()) for one in processes()).encode(),
    }
    for where, content in everywhere.items():
        for secret in secrets:
            assert secret.encode() not in content, f"{secret[:12]}… is in {where}"
        # Content is stored in chats, and this run had none.
        assert PROMPT.encode() not in content, f"what was typed is in {where}"


def use_everything(stack: Stack, stub: StubProcess) -> set[str]:
    """Sign-in, a wrong one, keys, a custom provider, model calls that succeed and fail."""
    alice = stack.api(stack.people["alice"])
    made = alice.post("/api/keys", {"name": "more"}).json()
    alice.post("/api/auth/sign-in", {"name": "alice", "password": TYPED_WRONG})
    signed_in = alice.post("/api/auth/sign-in", {"name": "alice", "password": PASSWORD})
    cookie = signed_in.headers["set-cookie"].split("=", 1)[1].split(";")[0]
    fields = {"name": "lab", "base_url": f"http://127.0.0.1:{stub.port}/v1", "key": KEY}
    lab = alice.post("/api/providers", {**fields, "headers": {"X-Team": HEADER}})
    assert lab.status == 201, lab
    for bad in ({**fields, "base_url": "http://127.0.0.1:1/v1"}, {**fields, "key": KEY + "\x00"}):
        assert alice.post("/api/providers", {**bad, "name": "x"}).status == 400
    for model in ("lab/stub", "box/stub", "lab/none", "nowhere"):
        for wish in ({}, {"status": 500}, {"cut_after": 1}):
            message = {"role": "user", "content": PROMPT}
            body = {"model": model, "messages": [message], "stub": wish, "stream": True}
            try:
                alice.post("/v1/chat/completions", body)
            except OSError:
                pass  # broken off, as the wish says
    second = turn_on_second_step(stack, cookie)
    alice.call("DELETE", f"/api/keys/{made['key']['id']}")
    attached = alice.post("/api/sessions", {"attach": True, "name": "s", "host": "n"}).json()
    return {made["secret"], cookie, attached["token"], *second}


def turn_on_second_step(stack: Stack, cookie: str) -> set[str]:
    """An app's secret and the recovery codes."""
    browser = stack.api()
    own = {
        "Cookie": f"underpass_session={cookie}",
        "X-Underpass-CSRF": "1",
        "Origin": stack.url,
    }
    begun = browser.call("POST", "/api/me/two-step", {"password": PASSWORD}, own).json()
    code = totp.code_at(begun["secret"], int(time.time() // 30))
    confirmed = browser.call("POST", "/api/me/two-step/confirm", {"code": code}, own)
    assert confirmed.status == 200, confirmed
    return {begun["secret"], *confirmed.json()["recovery_codes"]}


def answers(stack: Stack) -> dict[str, bytes]:
    """What the API tells, to whoever may ask for most."""
    found = {}
    for name in ("alice", "root"):
        api = stack.api(stack.people[name])
        for path in (
            *("/api/providers", "/api/keys", "/api/audit", "/api/audit.jsonl", "/api/usage"),
            *(
                "/api/usage.csv",
                "/api/sessions",
                "/api/tunnels",
                "/api/me",
                "/api/users",
                "/metrics",
            ),
        ):
            found[f"{path} as {name}"] = api.get(path).body
    return found


def database_files(stack: Stack) -> list[Path]:
    return list(stack.data_dir.glob("underpass.db*"))


def processes() -> list[psutil.Process]:
    """Every process that can be seen, with its arguments."""
    return list(psutil.process_iter(["cmdline"]))


def test_the_audit_trail_is_json_lines(make_stack: MakeStack) -> None:
    """Each line one act; and only JSON."""
    stack = make_stack()
    root = stack.add_person("root", is_admin=True)
    api = stack.api(root)
    api.post("/api/keys", {"name": "one"})
    answer = api.get("/api/audit.jsonl?action=key.&subject=one")
    lines = [json.loads(line) for line in answer.body.decode().splitlines()]
    assert [line["action"] for line in lines] == ["key.create"]
    assert answer.headers["content-type"].startswith("application/x-ndjson")
