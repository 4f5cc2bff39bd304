"""Looking at model servers: real ones, and the shapes of those that are not here."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.servers import saying, serving
from tests.fakes.stub_server import StubServer
from tests.rig.llama import LlamaServer
from tests.rig.processes import free_port
from underpass.agent.connect import Upstream
from underpass.agent.ownership import Owners
from underpass.agent.probe import Prober
from underpass.agent.readiness import Failure, Look, Model, Server, judge, wants_answer
from underpass.core.states import ProviderStatus
from underpass.core.targets import Target


@contextlib.asynccontextmanager
async def prober(port: int, key: str | None = None) -> AsyncIterator[Prober]:
    """A prober of a loopback port."""
    upstream = Upstream(Target.parse(str(port)), Owners())
    try:
        yield Prober(upstream, key)
    finally:
        await upstream.close()


def server(
    routes: dict[str, Any], calls: list[str] | None = None
) -> contextlib.AbstractAsyncContextManager[int]:
    """A server that answers these GETs with JSON (or a status), and 404 otherwise."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path = head.split(" ")[:2]
            if calls is not None:
                calls.append(f"{method} {path}")
            found = routes.get(path, 404)
            status = found if isinstance(found, int) else 200
            body = b"{}" if isinstance(found, int) else json.dumps(found).encode()
            line = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(line.encode() + body)
            await writer.drain()

    return serving(handle)


def listing(*owners: str, **more: Any) -> dict[str, Any]:
    """A list of models."""
    data = [{"id": f"m{n}", "owned_by": owner, **more} for n, owner in enumerate(owners)]
    return {"object": "list", "data": data}


async def look(routes: dict[str, Any]) -> Look:
    """One look at such a server."""
    async with server(routes) as port, prober(port) as one:
        return await one.look()


@pytest.mark.parametrize(
    ("routes", "expected", "needs_answer"),
    [
        (
            {
                "/v1/models": listing("vllm", "vllm"),
                "/version": {"version": "0.32.0"},
                "/health": {},
            },
            Server("vllm", "0.32.0"),
            True,
        ),
        ({"/v1/models": listing("sglang"), "/health": {}}, Server("sglang"), True),
        (
            {"/v1/models": listing("llamacpp"), "/props": {"build_info": "b1"}, "/health": {}},
            Server("llama.cpp", "b1"),
            True,
        ),
        (
            {"/v1/models": listing("llamacpp", "llamacpp"), "/props": {}, "/health": {}},
            Server("llama.cpp"),
            False,  # a router: asking would load a model
        ),
        (
            {"/v1/models": listing("library"), "/api/version": {"version": "0.13"}},
            Server("ollama", "0.13"),
            False,  # it lists what is installed, not what is loaded
        ),
        (
            {"/v1/models": listing("me"), "/api/version": {"version": "0.13"}},
            Server("ollama", "0.13"),
            False,
        ),
        ({"/v1/models": listing("organization_owner")}, Server("lmstudio"), False),
        ({"/v1/models": listing("x"), "/api/v1/models": {"models": []}}, Server("lmstudio"), False),
        (
            {
                "/v1/models": listing("x"),
                "/info": {"model_id": "x", "version": "3.3"},
                "/health": {},
            },
            Server("tgi", "3.3"),
            True,
        ),
        (
            {"/v1/models": listing("x"), "/version": {"version": "1"}, "/health": {}},
            Server("vllm", "1"),
            True,
        ),
        (
            {"/v1/models": listing("x"), "/props": {"build_info": "b2"}},
            Server("llama.cpp", "b2"),
            True,
        ),
        # /api/tags proves nothing: SGLang answers it, and llama.cpp has an Ollama shim.
        ({"/v1/models": listing("x"), "/api/tags": {}}, Server("openai-compatible"), True),
        ({"/v1/models": listing("x", "y")}, Server("openai-compatible"), False),
    ],
)
async def test_who_answers(routes: dict[str, Any], expected: Server, needs_answer: bool) -> None:
    """By the list's owner first, then by the routes that only one of them has."""
    seen = await look(routes)
    assert seen.server == expected
    assert seen.needs_answer is needs_answer


async def test_nothing_silence_garbage() -> None:
    """Refused, silent, and a server that is none."""
    async with prober(free_port()) as one:
        assert (await one.look()).models.failure is Failure.REFUSED
    async with StubServer() as stub, prober(stub.port) as one:
        stub.mode = "silent"
        assert (await one.look()).models.failure is Failure.SILENT
        stub.mode = "loading"
        assert (await one.look()).models.status == 503


async def test_a_hanging_up_server() -> None:
    """Closed without an answer, and garbage."""
    for said in (b"", b"SSH-2.0-x\r\n"):
        async with serving(saying(said)) as port, prober(port) as one:
            assert (await one.look()).models.failure is Failure.BROKEN


async def test_a_key_is_sent(stub: StubServer) -> None:
    """The server's own key goes along with the probes, and nothing else of ours."""
    async with prober(stub.port, key="own") as one:
        await one.look()
        await one.first_token("stub")
    for request in stub.seen:
        assert request.headers["authorization"] == "Bearer own"
    assert json.loads(bytes(stub.seen[-1].body))["max_tokens"] == 1


async def test_it_asks_again_who_it_is_after_it_was_away() -> None:
    """Another server on the same port is recognised."""
    routes: dict[str, Any] = {"/v1/models": listing("vllm"), "/version": {"version": "1"}}
    async with server(routes) as port, prober(port) as one:
        assert (await one.look()).server == Server("vllm", "1")
        routes["/version"] = {"version": "2"}
        assert (await one.look()).server == Server("vllm", "1")
        one._upstream.target = Target.parse(str(free_port()))
        await one._upstream.close()
        assert (await one.look()).models.failure is Failure.REFUSED
        one._upstream.target = Target.parse(str(port))
        assert (await one.look()).server == Server("vllm", "2")


async def test_llama_cpp(llama_server: LlamaServer) -> None:
    """The real one: recognised with version, window and modalities; a token makes it running."""
    async with prober(llama_server.port) as one:
        seen = await one.look()
        assert seen.server is not None
        assert seen.server.kind == "llama.cpp"
        assert seen.server.version
        assert seen.needs_answer
        now = judge(None, seen, "x")
        assert now.models[0].id == "tiny"
        assert now.models[0].modalities == ("text",)
        assert (now.models[0].max_model_len or 0) > 1000
        assert wants_answer(now, seen)
        assert (await one.first_token("tiny")).status == 200


async def test_llama_cpp_for_embeddings(tiny_model: Path, tmp_path: Path) -> None:
    """A server that only embeds refuses to chat and is running all the same."""
    real = await asyncio.to_thread(
        LlamaServer, tiny_model, tmp_path / "log", ["--embeddings", "--pooling", "mean"]
    )
    try:
        async with prober(real.port) as one:
            seen = await one.look()
            now = judge(None, seen, "x")
            assert now.state is ProviderStatus.LOADING
            reply = await one.first_token("tiny")
            seen = Look(seen.models, answer=reply, needs_answer=True)
            assert judge(now, seen, "x").state is ProviderStatus.RUNNING, reply
    finally:
        await asyncio.to_thread(real.stop)


async def test_a_body_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of megabytes is cut, not kept."""
    monkeypatch.setattr("underpass.agent.probe.MAX_BODY_BYTES", 1000)
    seen = await look({"/v1/models": listing(*["x"] * 100)})
    assert seen.models.status == 200
    assert seen.models.body is None


async def test_ollama_is_never_asked_for_a_token() -> None:
    """Asking would load a model of many gigabytes."""
    calls: list[str] = []
    routes = {"/v1/models": listing("library"), "/api/version": {"version": "1"}}
    async with server(routes, calls) as port, prober(port) as one:
        seen = await one.look()
        now = judge(None, seen, "x")
    assert now.state is ProviderStatus.RUNNING
    assert now.models == (Model("m0", None, "library"),)
    assert not [call for call in calls if call.startswith("POST")]
