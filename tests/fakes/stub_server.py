"""A model server made of numbered bytes, for tests and the benchmark: fast, exact, and told what to do.

A request says in its own body how it wants to be answered: `{"model": "stub", "stub": {"chunks": 100,
"rate": 50}}` (see `Behaviour`), so a test steers it through any number of hops. `StubServer.mode` is
how the whole server behaves while it is not ready. Every request is kept in `seen`, with the moment
and the manner of its end: what "the client went away" is measured with.

    python -m tests.fakes.stub_server --port 9000

GET /stub/seen?tag=T shows its requests as JSON, GET /stub/open?T counts those that have not ended,
GET /stub/mode?loading sets its mode.
"""

import argparse
import asyncio
import json
import re
import time
from dataclasses import asdict, dataclass, fields
from types import TracebackType
from typing import Any, Literal

import uvloop

from tests.fakes.stub_http import HttpConnection, Request, numbered_bytes

Mode = Literal["ok", "loading", "silent", "failing"]
BULK_PIECE_BYTES = 64 * 1024
SHOWN_BYTES = 8 * 1024  # of a request's body, in `seen`
FORM_FIELD = re.compile(rb'name="stub"\r\n\r\n(\{.*?\})\r\n', re.DOTALL)


@dataclass(frozen=True)
class Behaviour:
    """How one request is answered; each field may be set in the request's `stub` object."""

    chunks: int = 10
    chunk_bytes: int = 200  # of one SSE event, all of it
    rate: float = 0.0  # events a second; 0 is as fast as the reader takes them
    first_byte_s: float = 0.0  # silence before the head
    hang: str = ""  # "before_head" or "after_head": then nothing more, until the client goes
    cut_after: int = -1  # reset the connection after so many events
    status: int = 200  # another one is answered with an error body
    body_bytes: int = -1  # no events: so many numbered bytes
    text: str = ""  # events carry this text, a few characters each, instead of numbers
    tag: str = ""  # shown in `seen`, so that a test finds its own request
    stamp: bool = False  # each event carries the monotonic nanosecond at which it was written


def behaviour_of(request: Request) -> tuple[Behaviour, dict[str, Any]]:
    """What the request asks for, in its JSON or in a `stub` field of a form; by default nothing."""
    try:
        in_form = FORM_FIELD.search(request.body)
        body = {"stub": json.loads(in_form[1])} if in_form else json.loads(request.body)
    except ValueError:
        return Behaviour(), {}
    if not isinstance(body, dict):
        return Behaviour(), {}
    wanted = body.get("stub") or _in_last_message(body)
    known = {f.name for f in fields(Behaviour)}
    return Behaviour(**{k: v for k, v in wanted.items() if k in known}), body


def _in_last_message(body: dict[str, Any]) -> dict[str, Any]:
    """A person at a page can only write a message: `stub: {"chunks": 100}`."""
    messages = body.get("messages")
    text = messages[-1].get("content") if isinstance(messages, list) and messages else None
    if not isinstance(text, str) or not text.startswith("stub:"):
        return {}
    # A question that got no answer comes together with the next one: the last wish counts.
    found: dict[str, Any] = json.loads(text.rpartition("stub:")[2])
    return found


def text_events(text: str, piece_length: int = 4) -> list[bytes]:
    """The text as chat.completion.chunks."""
    pieces = [text[at : at + piece_length] for at in range(0, len(text), piece_length)]
    chunk = {
        "id": "chatcmpl-stub",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "stub",
    }
    choices = [[{"index": 0, "delta": {"content": piece}}] for piece in pieces]
    choices.append([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    return [f"data: {json.dumps({**chunk, 'choices': c})}\n\n".encode() for c in choices]


def sse_event(number: int, size: int, stamp_ns: int = 0) -> bytes:
    """One chat.completion.chunk of exactly `size` bytes (if they suffice), with its number in it."""
    head = (
        b'data: {"id":"chatcmpl-stub","object":"chat.completion.chunk","created":0,"model":"stub",'
    )
    head += b'"choices":[{"index":0,"delta":{"content":"%09d ' % number
    if stamp_ns:
        head += b"@%d " % stamp_ns
    tail = b'"}}]}\n\n'
    return head + b"." * (size - len(head) - len(tail)) + tail


class StubServer:
    """The server; use it as `async with StubServer() as stub:`, or `start()` and `stop()`."""

    def __init__(self, port: int = 0, models: tuple[str, ...] = ("stub",)) -> None:
        self.port = port
        self.models = models
        self.mode: Mode = "ok"
        self.seen: list[Request] = []
        self._server: asyncio.Server | None = None
        self._connections: set[HttpConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "StubServer":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self, socket_path: str = "") -> None:
        """Listens; on the same port again after a `stop()`. Or on a Unix socket."""
        loop = asyncio.get_running_loop()
        if socket_path:
            self._server = await loop.create_unix_server(self._connect, socket_path)
            return
        self._server = await loop.create_server(self._connect, "127.0.0.1", self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuses from now on, and resets what is open: a server that crashed."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for connection in list(self._connections):
            connection.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def generations(self) -> list[Request]:
        """What was seen, without the probes (the list of models, health and the like)."""
        return [request for request in self.seen if request.method == "POST"]

    # -- answering

    def _connect(self) -> HttpConnection:
        connection = HttpConnection(self._take)
        self._connections.add(connection)
        connection.on_gone = lambda: self._connections.discard(connection)
        return connection

    def _take(self, connection: HttpConnection, request: Request) -> None:
        path, _, query = request.path.partition("?")
        if path == "/stub/seen":
            tag = query.removeprefix("tag=")
            shown = [_plain(r) for r in self.seen if not tag or r.tag == tag]
            connection.answer(200, json.dumps(shown).encode())
            return
        if path == "/stub/open":
            count = sum(r.tag == query and r.ended_at is None for r in self.seen)
            connection.answer(200, json.dumps(count).encode())
            return
        if path == "/stub/mode":
            self.mode = query  # type: ignore[assignment]  # a test's own word
            connection.answer(200, b"{}")
            return
        self.seen.append(request)
        if self.mode == "silent":
            return
        if self.mode in ("loading", "failing"):
            status, message = (503, "Loading model") if self.mode == "loading" else (500, "broken")
            connection.answer(status, _error(status, message))
        elif request.method == "GET":
            self._answer_get(connection, path)
        else:
            task = asyncio.get_running_loop().create_task(self._generate(connection, request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _answer_get(self, connection: HttpConnection, path: str) -> None:
        if path == "/v1/models":
            models = [
                {
                    "id": m,
                    "object": "model",
                    "created": 0,
                    "owned_by": "stub",
                    "max_model_len": 4096,
                }
                for m in self.models
            ]
            connection.answer(200, json.dumps({"object": "list", "data": models}).encode())
        elif path == "/health":
            connection.answer(200, b'{"status":"ok"}')
        elif path in ("/metrics", "/pause", "/slots"):
            connection.answer(200, b'{"secret":"of the server itself"}')
        else:
            connection.answer(404, _error(404, "no such route"))

    async def _generate(self, connection: HttpConnection, request: Request) -> None:
        wish, body = behaviour_of(request)
        request.tag = wish.tag
        if wish.first_byte_s:
            await asyncio.sleep(wish.first_byte_s)
        if wish.hang == "before_head" or request.ended_at is not None:
            return
        if wish.status != 200:
            connection.answer(wish.status, _error(wish.status, "as the test asked"))
        elif wish.body_bytes >= 0:
            await self._send_bulk(connection, request, wish)
        elif body.get("stream"):
            await self._send_events(connection, request, wish)
        elif wish.hang == "after_head":
            connection.head(200, "application/json", 1000)
        else:
            connection.answer(200, _whole_answer(request, wish))

    async def _send_events(
        self, connection: HttpConnection, request: Request, wish: Behaviour
    ) -> None:
        connection.head(200, "text/event-stream", None)
        if wish.hang == "after_head":
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        texts = text_events(wish.text) if wish.text else []
        for number in range(len(texts) or wish.chunks):
            if wish.rate:
                pause = began + number / wish.rate - loop.time()
                if pause > 0:
                    await asyncio.sleep(pause)
            elif number % 32 == 31:
                await asyncio.sleep(0)  # the other connections' turn
            if not connection.can_write.is_set():
                await connection.can_write.wait()
            if request.ended_at is not None:
                return
            if number == wish.cut_after:
                connection.cut()
                return
            stamp_ns = time.monotonic_ns() if wish.stamp else 0
            event = texts[number] if texts else sse_event(number, wish.chunk_bytes, stamp_ns)
            connection.chunk(event)
            request.chunks_sent += 1
            request.bytes_sent += len(event)
        connection.chunk(b"data: [DONE]\n\n")
        connection.last_chunk()

    async def _send_bulk(
        self, connection: HttpConnection, request: Request, wish: Behaviour
    ) -> None:
        connection.head(200, "application/octet-stream", wish.body_bytes)
        while request.bytes_sent < wish.body_bytes:
            await connection.can_write.wait()
            if request.ended_at is not None:
                return
            length = min(BULK_PIECE_BYTES, wish.body_bytes - request.bytes_sent)
            connection.transport.write(numbered_bytes(request.bytes_sent, length))
            request.bytes_sent += length
        connection.end("complete")


def _whole_answer(request: Request, wish: Behaviour) -> bytes:
    """A chat completion that also tells what arrived, so that an upload can be checked end to end."""
    message = {"role": "assistant", "content": "numbered bytes"}
    answer = {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 0,
        "model": "stub",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": wish.chunks, "total_tokens": 1},
        "received": {
            "path": request.path,
            "bytes": request.body_bytes,
            "sha256": request.body_hash,
        },
    }
    return json.dumps(answer).encode()


def _error(status: int, message: str) -> bytes:
    body = {"error": {"message": message, "type": "stub_error", "param": None, "code": status}}
    return json.dumps(body).encode()


def _plain(request: Request) -> dict[str, Any]:
    shown = asdict(request)
    shown["text"] = bytes(shown.pop("body")[:SHOWN_BYTES]).decode(errors="replace")
    shown.pop("headers")
    return shown


async def _serve(port: int, socket_path: str) -> None:
    server = StubServer(port)
    await server.start(socket_path)
    print(f"stub model server on {socket_path or server.url}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A fast stub model server.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--socket", default="", help="a Unix socket in place of the port")
    arguments = parser.parse_args()
    try:
        uvloop.run(_serve(arguments.port, arguments.socket))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
