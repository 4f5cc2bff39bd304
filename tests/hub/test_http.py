"""What every request passes: ids, headers, the log, the last net."""

import json
from typing import Any

import pytest
import structlog

from tests.hub.conftest import PASSWORD, RunningHub
from underpass.core.clock import SystemClock
from underpass.core.errors import Conflict
from underpass.gateway.routes import LOG_DETAILS
from underpass.hub.http import CSP, Front, route_kind
from underpass.store import UserRecord


class Told:
    """A Front around an app, called without a server; what it sent and counted."""

    def __init__(self, inner: Any) -> None:
        self.sent: list[Any] = []
        self.counted: list[tuple[str, str, int]] = []
        self.front = Front(inner, SystemClock(), lambda k, m, s, _: self.counted.append((k, m, s)))

    async def call(self, path: str = "/api/x", **scope: Any) -> None:
        full = {"type": "http", "method": "GET", "path": path, "headers": [], **scope}

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            self.sent.append(message)

        await self.front(full, receive, send)

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}


async def test_every_answer_has_the_security_headers(hub: RunningHub) -> None:
    """Pages, API, gateway and errors alike; nothing names the server's software."""
    program = await hub.program()
    for path in ("/", "/api/auth/state", "/api/nothing", "/v1/models", "/healthz", "/nothing"):
        headers = (await program.get(path)).headers
        assert headers["Content-Security-Policy"] == CSP, path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in headers
        assert headers["X-Request-Id"]
    assert (await program.get("/api/auth/state")).headers["Cache-Control"] == "no-store"


async def test_every_request_has_an_id_of_the_hubs_making(hub: RunningHub) -> None:
    """A caller cannot choose it: two requests of one name would be one to a model server."""
    program = await hub.program()
    given = {"X-Request-ID": "trace-0123.abc"}
    ids = [(await program.get("/healthz", **given)).headers["X-Request-Id"] for _ in range(2)]
    assert all(each.startswith("req_") for each in ids)
    assert ids[0] != ids[1]


async def test_an_unexpected_error_is_an_answer_and_a_place_in_the_log() -> None:
    """The client gets 500 with the request id; the log gets type and place, not the message."""

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("the user said: secret words")

    told = Told(broken)
    with structlog.testing.capture_logs() as lines:
        await told.call()
    assert told.sent[0]["status"] == 500
    document = json.loads(told.sent[1]["body"])
    assert (document["code"], document["request_id"]) == ("internal", told.headers["x-request-id"])
    assert "secret" not in str(document)
    assert [line["event"] for line in lines] == ["unexpected error", "request"]
    assert told.counted == [("api", "GET", 500)]


async def test_an_error_after_the_answer_began_breaks_it_off() -> None:
    """No second answer is put behind the first."""

    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise Conflict("Too late.")

    told = Told(half)
    await told.call()
    assert [message["type"] for message in told.sent] == [
        *("http.response.start", "http.response.body")
    ]


async def test_a_client_that_left_before_the_answer_counts_as_499() -> None:
    """Nothing was sent, and that is not the hub's failure."""

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    told = Told(silent)
    await told.call("/v1/models")
    assert told.sent == []
    assert told.counted == [("gateway", "GET", 499)]


async def test_what_a_route_sets_stays() -> None:
    """The front fills in what is missing and overrides nothing; https adds HSTS."""

    async def own(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Content-Security-Policy", b"sandbox"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    told = Told(own)
    await told.call(scheme="https")
    names = [name.lower() for name, _ in told.sent[0]["headers"]]
    assert names.count(b"content-security-policy") == names.count(b"cache-control") == 1
    assert b"strict-transport-security" in names


async def test_the_log_holds_no_secret_and_no_word(hub: RunningHub, alice: UserRecord) -> None:
    """Neither passwords, keys, cookies, codes and tokens, nor what was asked for in queries."""
    with structlog.testing.capture_logs() as lines:
        browser = await hub.browser(alice.name)
        key = (await browser.post("/api/keys", {"name": "laptop"})).json()["secret"]
        program = await hub.program(key)
        chat = {"model": "none", "messages": [{"role": "user", "content": "my own words"}]}
        await program.post("/v1/chat/completions", chat)
        await browser.get("/api/chats?q=my+own+words")
        body = {"purpose": "login", "host": "h", "user": "u"}
        asked = (await program.post("/api/auth/device", body)).json()
        await browser.get(f"/api/auth/device/{asked['user_code']}")
        token = await hub.services.auth.sign_ins.new_sign_in_token(alice.id)
        await browser.get(f"/api/auth/link?token={token}")
    logged = json.dumps(lines, default=str)
    assert "/v1/chat/completions" in logged
    cookie = next(iter(browser.http.cookie_jar)).value
    for secret in (PASSWORD, key, token, cookie, "words", *asked.values()):
        if isinstance(secret, str) and "/" not in secret:
            assert secret not in logged


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/api/me", "api"), ("/v1/models", "gateway"), ("/tokenize", "gateway"), ("/", "page")],
)
def test_the_metrics_know_few_kinds(path: str, kind: str) -> None:
    """A client cannot make up series."""
    assert route_kind(path) == kind


async def test_one_line_says_where_a_request_went() -> None:
    """The gateway writes none of its own: it leaves route and provider for the request's line."""

    async def gateway(scope: Any, receive: Any, send: Any) -> None:
        scope[LOG_DETAILS] = {"route": "chat_completions", "provider": "prv_1"}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with structlog.testing.capture_logs() as lines:
        await Told(gateway).call("/v1/chat/completions")
    (line,) = lines
    assert (line["route"], line["provider"], line["status"]) == ("chat_completions", "prv_1", 200)
