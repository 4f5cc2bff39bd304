"""What is fuzzed: each target takes bytes and raises when a promise is broken.

Four of them are the tunnel's protocol: damaged frames for either end, damaged handshakes, and a
program of writes, cuts and reads for two honest ends whose every byte is checked. The others read
what strangers send: the model server's HTTP at the agent, request bodies at the hub.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.tunnel.protocol.pair import LinkedPair
from tests.tunnel.protocol.world import World
from tests.wire.examples import examples
from tests.wire.hostile import HELD_AT_MOST, feed, held, hello_bytes, victims
from underpass.agent.http1 import MAX_HEAD_BYTES, AnswerHead, BadAnswer, HeadReader
from underpass.core.errors import InvalidRequest, LinkRefused, RemoteProtocolError
from underpass.gateway.jsonscan import JsonScanner
from underpass.gateway.multipart import MultipartScanner
from underpass.gateway.scan import Scanner
from underpass.tunnel.protocol import LinkSettings
from underpass.tunnel.protocol.handshake import HelloReader
from underpass.tunnel.protocol.heads import StreamKind

CORPUS = Path(__file__).parent / "corpus"
MOST_STREAMS = 8
CONTENT_TYPE = "multipart/form-data; boundary=edge"


@dataclass(frozen=True)
class Target:
    """One of them. `honest` are good inputs to begin with; the folder of its name has more."""

    name: str
    run: Callable[[bytes], None]
    honest: Callable[[], list[bytes]]
    modules: tuple[str, ...]
    """Whose coverage leads the way."""

    def corpus(self) -> list[bytes]:
        """The inputs that are kept in the repository."""
        folder = CORPUS / self.name
        return [path.read_bytes() for path in sorted(folder.glob("*"))] if folder.is_dir() else []


def pieces_of(data: bytes, cut: int) -> list[bytes]:
    """The same bytes as they might arrive: in pieces of 1 to `cut` bytes, or whole."""
    if not cut:
        return [data]
    return [data[at : at + cut] for at in range(0, len(data), cut)]


# --- the tunnel's protocol --------------------------------------------------------------------


def _to_end(end: str, data: bytes) -> None:
    pair, _, _ = victims()
    core = pair.hub if end == "hub" else pair.agent
    for piece in pieces_of(data[1:], data[0] if data else 0):
        if not feed(core, piece, pair.now):
            return
        for state in list(core.streams.values()):
            core.read(state)
    core.tick(pair.now + 1000)


def to_hub(data: bytes) -> None:
    """Frames at the hub's end of a link in full swing."""
    _to_end("hub", data)


def to_agent(data: bytes) -> None:
    """Frames at the agent's end."""
    _to_end("agent", data)


def hello(data: bytes) -> None:
    """A handshake at the hub: a typed error or nothing, and the link's own streams survive it."""
    pair, _, _ = victims()
    reader = HelloReader()
    try:
        found = reader.feed(data)
        if found is not None:
            pair.hub.attach(found, owner="ses_1", new_token="t" * 32, now=pair.now)
    except (RemoteProtocolError, LinkRefused):
        pass
    assert held(pair.hub) <= HELD_AT_MOST
    pair.hub.data_to_send()


def welcome(data: bytes) -> None:
    """A handshake's answer at the agent."""
    pair, _, _ = victims()
    pair.agent.connect(pair.now)
    pair.agent.data_to_send()
    pair.agent.receive_data(data, pair.now)
    pair.agent.data_to_send()
    assert held(pair.agent) <= HELD_AT_MOST


def program(data: bytes) -> None:
    """Two honest ends; two bytes are one step. Every byte that is read is checked by the world."""
    world = World(LinkSettings(link_budget_bytes=1 << 18))
    world.settle()
    for at in range(0, min(len(data), 400) - 1, 2):
        _step(world, data[at], data[at + 1])
        world.check_bounds()
    for talk in world.talks.values():
        world.end_up(talk)
        world.end_down(talk)
    world.settle()
    for talk in world.talks.values():
        world.end_down(talk)
    world.settle()
    world.check_control()
    for talk in world.talks.values():
        if talk.cancelled_with is None and talk.down.is_ended:
            assert talk.down.is_read_to_end, talk


def _step(world: World, what: int, how: int) -> None:
    talks = list(world.talks.values())
    if not talks or (what % 16 == 0 and len(talks) < MOST_STREAMS):
        world.open(StreamKind.RAW if how % 2 else StreamKind.HTTP)
        return
    talk, size = talks[what // 16 % len(talks)], 1 << how % 16
    steps: list[Callable[[], object]] = [
        lambda: world.write_up(talk, size),
        lambda: world.write_down(talk, size),
        lambda: world.move(size, 1 << how // 16),
        lambda: world.move(1 << how // 16, size),
        lambda: world.read_up(talk),
        lambda: world.read_down(talk),
        lambda: world.pour(talk, at_hub=how % 2 == 0, pieces=1 + how % 5),
        lambda: world.cut(is_hub_told=how % 2 == 0),
        world.dial,
        lambda: world.end_up(talk),
        lambda: world.end_down(talk),
        lambda: world.cancel(talk, at_hub=how % 2 == 0),
        lambda: _say(world, at_hub=how % 2 == 0),
        lambda: world.move(size, size),
        world.settle,
    ]
    steps[what % 16 - 1]()


def _say(world: World, *, at_hub: bool) -> None:
    if world.sent_up + world.sent_down >= 40:
        return
    if at_hub:
        world.hub.send_control({"n": world.sent_down})
        world.sent_down += 1
    else:
        world.agent.send_control({"n": world.sent_up})
        world.sent_up += 1


# --- what strangers send ------------------------------------------------------------------------


def answer(data: bytes) -> None:
    """A model server's answer: the same whole and in pieces, and nothing but BadAnswer raised."""
    cut, text = (data[0] % 8, data[1:]) if data else (0, b"")
    whole, parts = _read_answer([text]), _read_answer(pieces_of(text, cut))
    if whole[0] == "bad" or parts[0] == "bad":
        assert whole[0] == parts[0] or len(text) > MAX_HEAD_BYTES, (whole, parts)
        return
    assert whole == parts, (whole, parts)


def _read_answer(pieces: list[bytes]) -> tuple[object, ...]:
    reader, head, body = HeadReader("POST"), None, b""
    try:
        for piece in pieces:
            if head is None:
                head = reader.feed(piece)
                if head is not None and reader.rest:
                    body += head.body.feed(reader.rest)
            elif not head.body.is_done:
                body += head.body.feed(piece)
        if head is not None and not head.body.is_done:
            head.body.end()
    except BadAnswer:
        return ("bad",)
    return ("good", _shown(head), body)


def _shown(head: AnswerHead | None) -> object:
    return (
        None if head is None else (head.status, head.headers, head.keeps_alive, head.body.is_done)
    )


def json_body(data: bytes) -> None:
    """A JSON request: whole and in pieces alike; and its model is what a JSON parser finds."""
    cut, text = (data[0] % 8, data[1:]) if data else (0, b"")
    found = _scan(JsonScanner(), [text])
    assert found == _scan(JsonScanner(), pieces_of(text, cut))
    try:
        parsed = json.loads(text.decode("utf-8-sig"), object_pairs_hook=list)
    except (ValueError, RecursionError):
        return
    if found is None or not isinstance(parsed, list):
        return
    models = [value for name, value in parsed if name == "model"]
    assert models == [found[0]], (models, found)


def form(data: bytes) -> None:
    """A multipart request: whole and in pieces alike."""
    cut, text = (data[0] % 8, data[1:]) if data else (0, b"")
    whole = _scan(MultipartScanner(CONTENT_TYPE), [text])
    assert whole == _scan(MultipartScanner(CONTENT_TYPE), pieces_of(text, cut))
    if whole is not None and whole[1] is not None:
        start, end = whole[1]
        assert text[start:end].decode() == whole[0]


def _scan(scanner: Scanner, pieces: list[bytes]) -> tuple[str, tuple[int, int] | None] | None:
    """The model and where it stands; None for a body that is refused."""
    try:
        for piece in pieces:
            scanner.feed(piece)
        scanner.finish()
    except InvalidRequest:
        return None
    assert scanner.model is not None
    return scanner.model, scanner.span


# --- honest inputs ------------------------------------------------------------------------------


def _frames(end: str) -> list[bytes]:
    _, at_hub, at_agent = victims()
    return [b"\0" + one for one in (at_hub if end == "hub" else at_agent)]


def _hellos() -> list[bytes]:
    pair, _, _ = victims()
    return [b"".join(hello_bytes(pair)), examples()["HELLO"]]


def _welcomes() -> list[bytes]:
    pair: LinkedPair = victims()[0]
    pair.attach(pair.hello())
    return [pair.hub.data_to_send(), examples()["WELCOME"]]


def _programs() -> list[bytes]:
    whole = bytes(
        [0, 0, 1, 12, 4, 15, 2, 14, 14, 12, 8, 0, 9, 0, 14, 14, 6, 0, 10, 0, 11, 0, 15, 0]
    )
    raw = bytes(
        [0, 1, 0, 0, 1, 15, 2, 15, 14, 9, 8, 1, 9, 0, 3, 9, 7, 3, 12, 1, 9, 0, 13, 0, 15, 0]
    )
    return [whole, raw, whole + raw]


def _answers() -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    return [
        b"\0" + head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"\3" + head + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n",
        b"\1" + head + b"Content-Length: 5\r\n\r\nhello",
        b"\2" + head + b"Connection: close\r\n\r\nhello",
        b"\0HTTP/1.1 100 Continue\r\n\r\n" + head + b"Content-Length: 0\r\n\r\n",
        b"\5HTTP/1.0 404 Not Found\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    ]


def _json_bodies() -> list[bytes]:
    return [
        b'\0{"model": "a/b", "stream": true, "messages": [{"role": "user", "content": "x\\"}"}]}',
        b'\1{"messages": [[], {}, "{[", null, -1.5e3], "model":"q\\u0077en"}',
        b'\2\xef\xbb\xbf { "m\\u006fdel" : "a" , "stream" : false }',
    ]


def _forms() -> list[bytes]:
    part = b'--edge\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    file = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nxx\r\n'
    end = b"--edge--\r\n"
    return [
        b"\0" + part % (b"model", b"a/b") + file + end,
        b"\3" + file + part % (b"stream", b"true") + part % (b"model", b"whisper") + end,
    ]


_PROTOCOL = ("underpass.tunnel.protocol",)
TARGETS = [
    Target("to_hub", to_hub, lambda: _frames("hub"), _PROTOCOL),
    Target("to_agent", to_agent, lambda: _frames("agent"), _PROTOCOL),
    Target("hello", hello, _hellos, _PROTOCOL),
    Target("welcome", welcome, _welcomes, _PROTOCOL),
    Target("program", program, _programs, _PROTOCOL),
    Target("answer", answer, _answers, ("underpass.agent.http1",)),
    Target("json_body", json_body, _json_bodies, ("underpass.gateway.jsonscan",)),
    Target("form", form, _forms, ("underpass.gateway.multipart",)),
]


def named(name: str) -> Target:
    """The target of that name. Raises KeyError."""
    return {target.name: target for target in TARGETS}[name]
