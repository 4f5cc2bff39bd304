"""Errors as problem documents, over real HTTP."""

import io

import pytest

from tests.hub.conftest import RunningHub
from underpass.core.errors import Conflict, TooMany
from underpass.hub import problems
from underpass.store import UserRecord


def test_a_document_has_all_its_members() -> None:
    """RFC 9457's, a stable code, what to do, and the error's own fields."""
    error = Conflict("It is taken.", code="name_taken", hint="Choose another.", candidates=["a"])
    assert problems.document(error, "req_1") == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "It is taken.",
        "code": "name_taken",
        "hint": "Choose another.",
        "request_id": "req_1",
        "candidates": ["a"],
    }


def test_a_field_cannot_take_a_members_place() -> None:
    """Whatever an error carries, status and code are the error's."""
    document = problems.document(TooMany("Wait.", status=200, detail="x"), "")
    assert (document["status"], document["detail"]) == (429, "Wait.")


def test_waiting_times_are_whole_seconds() -> None:
    """Retry-After is rounded up, so that the next try is never too early."""
    answer = problems.answer(TooMany("Wait.", retry_after_s=1.2), "")
    assert answer.headers["Retry-After"] == "2"


async def test_what_is_not_json_is_called_so(hub: RunningHub, alice: UserRecord) -> None:
    """And not by the number of the byte where a parser gave up."""
    page = await hub.browser("alice")
    headers = {**page.headers, "Content-Type": "application/json"}
    sending = page.http.post(page.url + "/api/chats", data=b"{", headers=headers)
    async with sending as answer:
        said = await answer.json(content_type=None)
    assert (said["status"], said["code"]) == (400, "invalid_request")
    assert said["detail"] == "The body is not valid JSON."


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("DELETE", "/api/auth/state", 405, "method_not_allowed"),
        ("POST", "/", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("GET", "/link", 426, "upgrade_required"),
        ("POST", "/api/auth/sign-in", 400, "invalid_request"),
    ],
)
async def test_every_error_is_a_problem(
    hub: RunningHub, method: str, path: str, status: int, code: str
) -> None:
    """Also those that no route of ours raised."""
    answer = await (await hub.program()).call(method, path)
    assert (answer.status, answer.code) == (status, code)
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


async def test_a_body_that_does_not_fit_says_where(hub: RunningHub, alice: UserRecord) -> None:
    """The field is named, the value is not repeated: it may be a secret in the wrong place."""
    browser = await hub.browser(alice.name)
    answer = await browser.post("/api/keys", {"name": "x", "scope": "my-secret-value"})
    assert answer.status == 400
    assert "scope" in answer.json()["detail"]
    assert "my-secret-value" not in answer.body.decode()


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b'"text"', b"null", b"{" * 5000])
async def test_bodies_that_are_no_json_objects(hub: RunningHub, body: bytes) -> None:
    """400, whatever was sent."""
    program = await hub.program()
    headers = {"Content-Type": "application/json"}
    url = f"{hub.url}/api/auth/sign-in"
    async with program.http.post(url, data=body, headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json(content_type=None))["code"] == "invalid_request"


async def test_a_body_that_is_too_large_is_stopped(hub: RunningHub) -> None:
    """413, whether or not the size was announced."""
    program = await hub.program()
    url = f"{hub.url}/api/auth/sign-in"

    async def endless() -> object:
        for _ in range(200):
            yield b"x" * 65536

    for data in (io.BytesIO(b"x" * (5 << 20)), endless()):
        async with program.http.post(url, data=data) as answer:
            assert answer.status == 413
            assert (await answer.json(content_type=None))["code"] == "too_large"


async def test_an_error_of_ours_is_a_problem_too(
    hub: RunningHub, alice: UserRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 with what to do and the id that stands in the log, and without a word of the cause."""
    program = await hub.program(await hub.key(alice))

    async def broken(*args: object, **more: object) -> None:
        raise RuntimeError("the-inside")

    monkeypatch.setattr(hub.services.sessions, "list_sessions", broken)
    answer = await program.get("/api/sessions")
    assert (answer.status, answer.code) == (500, "internal")
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert "the-inside" not in answer.body.decode()
