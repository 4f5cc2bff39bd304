"""HTTP at both ends of the tunnel, with real processes: mutated requests to a hub, mutated answers
of a model server to an agent.

Nothing guides it; what it looks at is what a stranger could do: the process lives, answers honest
requests as before, and its log has no traceback.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chaos.fuzz.mutate import damaged
from chaos.fuzz.targets import named
from chaos.streams import Place
from chaos.world import open_stack, open_stub
from tests.rig.stack import Person, Stack
from tests.rig.waiting import eventually_async

AT_ONCE = 16
WAIT_S = 0.3
OURS = b"The hub made a mistake"
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")


async def fuzz_requests(folder: Path, seed: str, seconds: float) -> tuple[Counter[str], list[str]]:
    """Damaged requests to a hub: (how often each status came, what was wrong)."""
    rng, seen, wrong = random.Random(f"{seed} requests"), Counter[str](), list[str]()
    async with open_stack(folder) as (stack, person), open_stub(folder) as stub:
        await asyncio.to_thread(stack.open_tunnel, person, str(stub.port), "box")
        place = Place(stack.url, person.key, "box/stub")
        honest = _requests(place)
        deadline = time.monotonic() + seconds

        async def one_after_another() -> None:
            while time.monotonic() < deadline:
                data = damaged(rng, honest)
                status, text = await _send(stack.port, data)
                seen[status] += 1
                if status == "500":
                    wrong.append(f"500 for {data[:300]!r}: {text[:200]!r}")

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
        await _check(stack, person, "box/stub", wrong)
    return seen, wrong


async def fuzz_answers(folder: Path, seed: str, seconds: float) -> tuple[Counter[str], list[str]]:
    """Damaged answers of a model server: (how often each status came, what was wrong)."""
    rng, seen, wrong = random.Random(f"{seed} answers"), Counter[str](), list[str]()
    honest = [one[1:] for one in named("answer").honest()]
    async with open_stack(folder) as (stack, person), _server_of(rng, honest) as port:
        await asyncio.to_thread(stack.open_tunnel, person, str(port), "odd")
        place = Place(stack.url, person.key, "odd/odd")
        asking = _post(place, '{"model":"odd/odd","messages":[],"odd":true}')
        streaming = _post(place, '{"model":"odd/odd","messages":[],"odd":true,"stream":true}')
        deadline = time.monotonic() + seconds

        async def one_after_another() -> None:
            while time.monotonic() < deadline:
                status, text = await _send(stack.port, rng.choice([asking, streaming]))
                seen[status] += 1
                # A damaged "200" may say 500 itself, and that is passed on; ours has its own words.
                if status == "500" and OURS in text:
                    wrong.append(f"500: {text[:300]!r}")

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
        await _check(stack, person, "odd/odd", wrong)
    return seen, wrong


async def _check(stack: Stack, person: Person, model: str, wrong: list[str]) -> None:
    """Everything is as before."""
    api = stack.api(person)
    body = {"model": model, "messages": []}

    def answers() -> bool:
        return api.post("/v1/chat/completions", body).status == 200

    try:
        await eventually_async(
            lambda: asyncio.to_thread(answers), 20, "an honest request is answered"
        )
    except AssertionError as error:
        wrong.append(str(error))
    for process in (stack.hub, *stack.agents):
        if not process.is_alive:
            wrong.append(f"{process!r} ended: {process.tail(5)}")
        if "Traceback" in process.output():
            wrong.append(f"a traceback in {process.log}: {_traceback(process.output())}")


def _traceback(text: str) -> str:
    return text[text.index("Traceback") :][:1500]


async def _send(port: int, data: bytes) -> tuple[str, bytes]:
    """The status of what came back (`none` for nothing), and the text."""
    got = b""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            async with asyncio.timeout(WAIT_S):
                while len(got) < 4000 and (piece := await reader.read(4000)):
                    got += piece
        except (OSError, TimeoutError):
            pass
        finally:
            writer.transport.abort()
    except OSError:
        return "refused", got
    found = _STATUS.match(got)
    return (found[1].decode() if found else "none" if not got else "no HTTP"), got


def _post(place: Place, body: str) -> bytes:
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {place.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def _requests(place: Place) -> list[bytes]:
    model = place.model
    key = f"Authorization: Bearer {place.key}\r\n"
    chunked = f"POST /v1/completions HTTP/1.1\r\nHost: h\r\n{key}Transfer-Encoding: chunked\r\n"
    chunked += 'Content-Type: application/json\r\n\r\n15\r\n{"model":"box/stub",\r\n7\r\n"n":1}\r\n0\r\n\r\n'
    form = (
        '--edge\r\nContent-Disposition: form-data; name="model"\r\n\r\nbox/stub\r\n--edge\r\n'
        'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\nxx\r\n--edge--\r\n'
    )
    audio = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: h\r\n{key}Content-Length: {len(form)}\r\n"
    )
    audio += f"Content-Type: multipart/form-data; boundary=edge\r\n\r\n{form}"
    upgrade = (
        "GET /link HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: underpass.v1\r\nAuthorization: Bearer ups_x\r\n\r\n"
    )
    gets = [
        f"GET {path} HTTP/1.1\r\nHost: h\r\n{key}\r\n"
        for path in (
            *(
                "/v1/models",
                "/v1/models?all=true",
                "/api/chats?limit=5",
                "/api/providers",
                "/healthz",
            ),
            *("/api/tunnels/tun_1/connect", "/api/chats/chat_1", "/", "/chat/x", "/api/me"),
        )
    ]
    login = '{"name": "alice", "password": "wrong"}'
    posts = [
        f"POST {path} HTTP/1.1\r\nHost: h\r\n{key}Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
        for path, body in (
            ("/api/chats", f'{{"model": "{model}", "title": "a"}}'),
            ("/api/auth/login", login),
            ("/api/keys", '{"name": "k", "scopes": ["models"]}'),
            ("/api/sessions", '{"attach": true, "name": "x", "host": "h"}'),
        )
    ]
    texts = [chunked, audio, upgrade, *gets, *posts]
    said = '[{"role":"user","content":"x"}]'
    plain = f'{{"model":"{model}","messages":{said},"stream":true}}'
    return [_post(place, plain), _post(place, plain.replace("true", "false"))] + [
        text.encode() for text in texts
    ]


@asynccontextmanager
async def _server_of(rng: random.Random, honest: list[bytes]) -> AsyncIterator[int]:
    """A server that lists its model well and answers everything that asks for it with damage."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                if b'"odd":true' in body:
                    writer.write(damaged(rng, honest))
                    await writer.drain()
                    if rng.random() < 0.7:
                        return
                    continue
                models = b'{"object":"list","data":[{"id":"odd","object":"model"}]}'
                whole = b'{"choices":[{"message":{"role":"assistant","content":"x"}}]}'
                said = models if head.startswith(b"GET") else whole
                kind = b"Content-Type: application/json\r\n"
                writer.write(
                    b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (kind, len(said), said)
                )
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
