"""The guide's HTTP server, over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.rig.waiting import eventually_async
from underpass.demo import shapes
from underpass.demo.server import Guide, start


@pytest.fixture
async def slow() -> AsyncIterator[tuple[Guide, str]]:
    guide = Guide(pace=50)
    runner = await start(guide, port=0)
    yield guide, "http://{}:{}".format(*runner.addresses[0][:2])
    await runner.cleanup()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def ask(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": shapes.MODEL, "messages": [{"role": "user", "content": text}]} | fields


async def test_a_stream_has_the_text_of_the_whole_answer(
    slow: tuple[Guide, str], http: aiohttp.ClientSession
) -> None:
    """Role first, pieces, finish reason, usage when asked for, then [DONE]."""
    _, url = slow
    question = ask("are you a language model?")
    async with http.post(f"{url}/v1/chat/completions", json=question) as answer:
        whole = (await answer.json())["choices"][0]["message"]["content"]
    options = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 12}
    async with http.post(f"{url}/v1/chat/completions", json=question | options) as answer:
        assert answer.content_type == "text/event-stream"
        events = (await answer.text()).strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1])
    assert text
    assert whole.startswith(text)
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["usage"]["completion_tokens"] == 12
    assert chunks[-1]["choices"] == []


async def test_a_client_that_goes_away_ends_its_answer(
    slow: tuple[Guide, str], http: aiohttp.ClientSession
) -> None:
    """In the middle of a long stream the server stops writing within 250 ms."""
    guide, url = slow
    question = ask("the whole manual", stream=True)
    async with http.post(f"{url}/v1/chat/completions", json=question) as answer:
        await answer.content.readany()
        assert guide.active == 1
        answer.close()
    await eventually_async(lambda: guide.active == 0, 0.25)


async def test_completions_models_and_health(
    slow: tuple[Guide, str], http: aiohttp.ClientSession
) -> None:
    """The older completions route works, and the model's card says whose it is."""
    _, url = slow
    async with http.post(f"{url}/v1/completions", json={"prompt": "hi", "max_tokens": 3}) as answer:
        body = await answer.json()
    assert body["object"] == "text_completion"
    assert body["choices"][0]["text"] == "I am `underpass-guide`,"
    async with http.get(f"{url}/v1/models") as answer:
        card = (await answer.json())["data"][0]
    assert (card["id"], card["owned_by"]) == ("underpass-guide", "underpass")
    async with http.get(f"{url}/health") as answer:
        assert (await answer.json())["status"] == "ok"


async def test_errors_have_openai_s_shape(
    slow: tuple[Guide, str], http: aiohttp.ClientSession
) -> None:
    """Unknown model, unknown route, wrong method and a bad body."""
    _, url = slow
    tries = [
        ("POST", "/v1/chat/completions", {"model": "x", "messages": []}, 404, "model_not_found"),
        ("GET", "/metrics", None, 404, "not_found"),
        ("DELETE", "/v1/models", None, 400, "invalid_request"),
        ("GET", "/v1/models/other", None, 404, "model_not_found"),
        ("POST", "/v1/completions", {}, 400, "invalid_request"),
    ]
    for method, path, body, status, code in tries:
        async with http.request(method, url + path, json=body) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)


async def test_it_listens_on_a_unix_socket(tmp_path: Path) -> None:
    """As in a session: a socket in a private folder instead of a port."""
    path = str(tmp_path / "g.sock")
    runner = await start(Guide(0), socket=path)
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as http:
        async with http.get("http://localhost/health") as answer:
            assert answer.status == 200
    await runner.cleanup()


async def test_many_at_once_keep_their_pace(
    slow: tuple[Guide, str], http: aiohttp.ClientSession
) -> None:
    """Streams do not wait for one another."""
    _, url = slow

    async def one() -> int:
        body = ask("the whole manual", stream=True, max_tokens=20)
        async with http.post(f"{url}/v1/chat/completions", json=body) as answer:
            return (await answer.text()).count('"content"')

    counts = await asyncio.wait_for(asyncio.gather(*(one() for _ in range(10))), 5)
    assert counts == [21] * 10
