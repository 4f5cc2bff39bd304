"""HELLO and WELCOME: who the link is, and where each stream goes on.

The agent says what it has of every stream; the hub answers with one verdict for each. Texts are
JSON, cut into as many frames as they need. `HelloReader` is what a hub's endpoint reads first:
it must know the link's id before it can choose the link.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from underpass.core.errors import BadFrame, FrameTooBig
from underpass.tunnel.protocol import texts
from underpass.tunnel.protocol.frames import HEADER, Flag, FrameType, check_header, text_frames
from underpass.tunnel.protocol.limits import (
    MAX_HANDSHAKE_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_REASON_CHARS,
    MAX_REQUEST_ID_CHARS,
    MAX_STREAM_ID,
    VERSION,
    LinkSettings,
)

_MOST_ENTRIES = 8192
_MOST_TEXT = 256


@dataclass(frozen=True, slots=True)
class HalfState:
    """What one side has of the half that it receives."""

    received: int
    consumed: int
    limit: int
    has_end: bool


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One line of the agent's table: the request as it has it, and where its answer begins."""

    stream_id: int
    request_id: str
    half: HalfState
    floor: int
    """The lowest offset of the answer that the agent can still send from."""
    is_durable: bool
    cancelled: str | None = None
    """The agent's reason, when it cancelled and has no answer to that yet."""


class VerdictKind(StrEnum):
    """What becomes of a stream of the agent's table."""

    CONTINUE = "continue"
    GONE = "gone"
    CANCELLED = "cancelled"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The hub's answer to one entry. `half` is the answer's half, for CONTINUE only."""

    stream_id: int
    kind: VerdictKind
    half: HalfState | None = None
    has_head: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The agent's first words on a carrier."""

    link_id: str | None
    token: str
    epoch: int
    last_opened: int
    """The highest stream id that the agent has seen opened; 0 for none."""
    control: HalfState
    control_floor: int
    table: tuple[StreamEntry, ...] = ()
    versions: tuple[int, ...] = (VERSION,)
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The hub's first words on a carrier."""

    link_id: str
    token: str
    epoch: int
    is_fresh: bool
    control: HalfState
    settings: LinkSettings
    verdicts: tuple[Verdict, ...] = ()
    version: int = VERSION


def hash_token(token: str) -> bytes:
    """What the hub keeps of a token; a token is 128 random bits or more, so no salt is needed."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def hello_frames(hello: Hello) -> list[bytes]:
    """HELLO as frames."""
    fields = {
        "versions": hello.versions,
        "software": hello.software,
        "link": hello.link_id,
        "token": hello.token,
        "epoch": hello.epoch,
        "last_opened": hello.last_opened,
        "control": _half_list(hello.control),
        "control_floor": hello.control_floor,
        "streams": [
            [e.stream_id, e.request_id, _half_list(e.half), e.floor, e.is_durable, e.cancelled]
            for e in hello.table
        ],
    }
    return text_frames(FrameType.HELLO, texts.dump(fields))


def welcome_frames(welcome: Welcome) -> list[bytes]:
    """WELCOME as frames."""
    settings = welcome.settings
    fields = {
        "version": welcome.version,
        "link": welcome.link_id,
        "token": welcome.token,
        "epoch": welcome.epoch,
        "fresh": welcome.is_fresh,
        "max_streams": settings.max_streams,
        "grace_s": settings.grace_s,
        "durable_grace_s": settings.durable_grace_s,
        "ping_after_s": settings.ping_after_s,
        "dead_after_s": settings.dead_after_s,
        "control": _half_list(welcome.control),
        "streams": [
            [v.stream_id, str(v.kind), v.half and _half_list(v.half), v.has_head, v.reason]
            for v in welcome.verdicts
        ],
    }
    return text_frames(FrameType.WELCOME, texts.dump(fields))


def read_hello(text: bytes) -> Hello:
    """The HELLO in a whole text. Raises BadFrame."""
    fields = texts.load_object(text, "HELLO")
    versions = texts.items(fields, "versions", 64)
    link_id = fields.get("link")
    return Hello(
        versions=tuple(texts.whole_number(version, "version") for version in versions),
        software=texts.text(fields, "software", _MOST_TEXT, ""),
        link_id=None if link_id is None else texts.text(fields, "link", _MOST_TEXT),
        token=texts.text(fields, "token", _MOST_TEXT),
        epoch=texts.whole(fields, "epoch"),
        last_opened=texts.whole(fields, "last_opened", MAX_STREAM_ID),
        control=_half(fields.get("control")),
        control_floor=texts.whole(fields, "control_floor"),
        table=_unique(tuple(_entry(row) for row in texts.items(fields, "streams", _MOST_ENTRIES))),
    )


def read_welcome(text: bytes, own: LinkSettings) -> Welcome:
    """The WELCOME in a whole text; `own` gives the settings that are not sent. Raises BadFrame."""
    fields = texts.load_object(text, "WELCOME")
    is_fresh = fields.get("fresh")
    if not isinstance(is_fresh, bool):
        raise BadFrame("WELCOME whose 'fresh' is not true or false.")
    if texts.whole(fields, "version") != VERSION:
        raise BadFrame("WELCOME with a version that was not offered.")
    settings = LinkSettings(
        max_streams=texts.whole(fields, "max_streams", _MOST_ENTRIES),
        grace_s=texts.seconds(fields, "grace_s"),
        durable_grace_s=texts.seconds(fields, "durable_grace_s"),
        ping_after_s=max(1.0, texts.seconds(fields, "ping_after_s")),
        dead_after_s=max(1.0, texts.seconds(fields, "dead_after_s")),
        handshake_s=own.handshake_s,
        link_budget_bytes=own.link_budget_bytes,
        durable_link_bytes=own.durable_link_bytes,
        durable_stream_bytes=own.durable_stream_bytes,
    )
    return Welcome(
        link_id=texts.text(fields, "link", _MOST_TEXT),
        token=texts.text(fields, "token", _MOST_TEXT),
        epoch=texts.whole(fields, "epoch"),
        is_fresh=is_fresh,
        control=_half(fields.get("control")),
        settings=settings,
        verdicts=tuple(_verdict(row) for row in texts.items(fields, "streams", _MOST_ENTRIES)),
    )


class TextCollector:
    """Puts the frames of one HELLO or WELCOME together, up to `MAX_HANDSHAKE_BYTES`."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, flags: int, payload: bytes) -> bytes | None:
        """The whole text once its last frame is there. Raises FrameTooBig, BadFrame."""
        self._size += len(payload)
        if self._size > MAX_HANDSHAKE_BYTES:
            raise FrameTooBig(f"A handshake of over {MAX_HANDSHAKE_BYTES} bytes.")
        if flags & Flag.MORE:
            if not payload:
                raise BadFrame("An empty handshake frame that says more will come.")
            self._pieces.append(payload)
            return None
        text = b"".join([*self._pieces, payload])
        self._pieces.clear()
        self._size = 0
        return text


class HelloReader:
    """Reads a HELLO from a new carrier: `feed` it messages until it returns one."""

    def __init__(self) -> None:
        self._buffer = b""
        self._collector = TextCollector()

    def feed(self, message: bytes) -> Hello | None:
        """The HELLO, or None while more has to come. Raises RemoteProtocolError kinds."""
        buffer = self._buffer + message
        position = 0
        while len(buffer) - position >= HEADER.size:
            kind, flags, length, stream_id = HEADER.unpack_from(buffer, position)
            if check_header(kind, flags) is not FrameType.HELLO or stream_id != 0:
                raise BadFrame("The first frames of a carrier must be HELLO.")
            if length > MAX_PAYLOAD_BYTES:
                raise FrameTooBig(f"A frame of {length} bytes.")
            stop = position + HEADER.size + length
            if stop > len(buffer):
                break
            text = self._collector.add(flags, buffer[position + HEADER.size : stop])
            position = stop
            if text is not None:
                if position != len(buffer):
                    raise BadFrame("Bytes after HELLO and before WELCOME.")
                return read_hello(text)
        self._buffer = buffer[position:]
        return None


def _half_list(half: HalfState) -> list[Any]:
    return [half.received, half.consumed, half.limit, half.has_end]


def _half(row: object) -> HalfState:
    if not isinstance(row, list) or len(row) != 4 or not isinstance(row[3], bool):
        raise BadFrame("A half-stream that is not [received, consumed, limit, has_end].")
    received, consumed, limit = (texts.whole_number(value, "offset") for value in row[:3])
    if not consumed <= received <= limit:
        raise BadFrame("A half-stream whose offsets are out of order.")
    return HalfState(received, consumed, limit, row[3])


def _entry(row: object) -> StreamEntry:
    if not isinstance(row, list) or len(row) != 6 or not isinstance(row[4], bool):
        raise BadFrame("A stream of HELLO that does not have its six parts.")
    stream_id, request_id, half, floor, is_durable, cancelled = row
    if not isinstance(request_id, str) or len(request_id) > MAX_REQUEST_ID_CHARS:
        raise BadFrame("A stream of HELLO without a request id.")
    if cancelled is not None and not _is_reason(cancelled):
        raise BadFrame("A stream of HELLO with a bad reason.")
    return StreamEntry(
        stream_id=_stream_id(stream_id),
        request_id=request_id,
        half=_half(half),
        floor=texts.whole_number(floor, "floor"),
        is_durable=is_durable,
        cancelled=cancelled,
    )


def _verdict(row: object) -> Verdict:
    if not isinstance(row, list) or len(row) != 5:
        raise BadFrame("A stream of WELCOME that does not have its five parts.")
    stream_id, kind, half, has_head, reason = row
    if not isinstance(has_head, bool) or not _is_reason(reason):
        raise BadFrame("A stream of WELCOME with a bad flag or reason.")
    try:
        known = VerdictKind(kind)
    except ValueError:
        raise BadFrame("A stream of WELCOME with an unknown verdict.") from None
    return Verdict(
        stream_id=_stream_id(stream_id),
        kind=known,
        half=_half(half) if known is VerdictKind.CONTINUE else None,
        has_head=has_head,
        reason=reason,
    )


def _stream_id(value: object) -> int:
    stream_id = texts.whole_number(value, "stream", MAX_STREAM_ID)
    if stream_id == 0:
        raise BadFrame("Stream 0 in a table of streams.")
    return stream_id


def _is_reason(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_REASON_CHARS


def _unique(table: tuple[StreamEntry, ...]) -> tuple[StreamEntry, ...]:
    if len({entry.stream_id for entry in table}) != len(table):
        raise BadFrame("A stream twice in one table.")
    return table
