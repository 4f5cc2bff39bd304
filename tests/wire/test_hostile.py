"""Bytes of a broken or hostile peer: a typed error or nothing, never more.

`UNDERPASS_FUZZ=1000000` asks for that many inputs; by default there are a few seconds' worth.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from tests.tunnel.protocol.pair import LinkedPair, request
from tests.wire.examples import examples
from tests.wire.hostile import HELD_AT_MOST, SETTINGS, feed, held, hello_bytes, mutated, victims
from underpass.core.errors import (
    BadFrame,
    FrameTooBig,
    LinkRefused,
    RemoteProtocolError,
    UnknownStream,
    WindowExceeded,
)
from underpass.tunnel.protocol import events as ev
from underpass.tunnel.protocol.core import LinkCore
from underpass.tunnel.protocol.frames import (
    HEADER,
    Flag,
    FrameType,
    credit_frame,
    data_frame,
    end_frame,
    frame,
)
from underpass.tunnel.protocol.handshake import HelloReader

INPUTS = int(os.environ.get("UNDERPASS_FUZZ", "12000"))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("end", ["hub", "agent"])
def test_mutated_frames_end_in_a_typed_error_or_nothing(end: str) -> None:
    """Damaged traffic never raises, never grows memory, and may close the link with an error."""
    rng = random.Random(f"{end} 1")
    closed = fed = 0
    while fed < INPUTS // 2:
        pair, to_hub, to_agent = victims()
        core: LinkCore = pair.hub if end == "hub" else pair.agent
        honest = to_hub if end == "hub" else to_agent
        for _ in range(200):
            fed += 1
            if not feed(core, mutated(rng, honest), pair.now):
                closed += 1
                break
            for state in list(core.streams.values()):
                core.read(state)
        core.tick(pair.now + 1000)
    assert closed > 0


@pytest.mark.timeout(3600)
def test_mutated_hellos_are_refused_or_harmless() -> None:
    """A damaged HELLO is a typed error for its carrier, and the link's own streams survive it."""
    rng = random.Random("hello 1")
    taken = 0
    for _ in range(INPUTS // 12):
        pair, _, _ = victims()
        whole = b"".join(hello_bytes(pair))
        data = mutated(rng, [whole])
        reader = HelloReader()
        try:
            hello = reader.feed(data)
            if hello is not None:
                pair.hub.attach(hello, owner="ses_1", new_token="t" * 32, now=pair.now)
                taken += 1
        except (RemoteProtocolError, LinkRefused):
            pass
        assert held(pair.hub) <= HELD_AT_MOST
        pair.hub.data_to_send()
    assert taken > 0


@pytest.mark.timeout(3600)
def test_mutated_welcomes_close_the_link_or_are_harmless() -> None:
    """A damaged WELCOME never raises at the agent."""
    rng = random.Random("welcome 1")
    closed = 0
    for _ in range(INPUTS // 12):
        pair, _, _ = victims()
        pair.attach(pair.hello())
        welcome = pair.hub.data_to_send()
        pair.agent.receive_data(mutated(rng, [welcome]), pair.now)
        closed += pair.agent.is_closed
        pair.agent.data_to_send()
        assert held(pair.agent) <= HELD_AT_MOST
    assert closed > 0


BROKEN: dict[str, tuple[str, Callable[[], bytes], type[RemoteProtocolError]]] = {
    "unknown type": ("hub", lambda: frame(FrameType.PING, 0)[:0] + b"\x63" + bytes(7), BadFrame),
    "unknown flags": ("hub", lambda: frame(FrameType.END, 1, bytes(8), 0x40), BadFrame),
    "frame too long": ("hub", lambda: HEADER.pack(0, 0, 16385, 1), FrameTooBig),
    "open from an agent": ("hub", lambda: examples()["OPEN"], BadFrame),
    "hello again": ("hub", lambda: examples()["HELLO"], BadFrame),
    "head from a hub": ("agent", lambda: examples()["HEAD"], BadFrame),
    "data before head": ("hub", lambda: data_frame(5, 0, b"x"), BadFrame),
    "end before head": ("hub", lambda: end_frame(5, 0), BadFrame),
    "gap": ("hub", lambda: data_frame(1, 6, b"x"), BadFrame),
    "data after end": ("hub", lambda: end_frame(1, 5) + data_frame(1, 5, b"x"), BadFrame),
    "two ends": ("hub", lambda: end_frame(1, 5) + end_frame(1, 6), BadFrame),
    "end too early": ("hub", lambda: end_frame(1, 4), BadFrame),
    "overrun": (
        "agent",
        lambda: b"".join(data_frame(1, n * 8192, bytes(8192)) for n in range(9)),
        WindowExceeded,
    ),
    "unknown stream": ("hub", lambda: data_frame(99, 0, b"x"), UnknownStream),
    "credit for more than was sent": ("agent", lambda: credit_frame(1, 6, 100), BadFrame),
    "credit upside down": ("agent", lambda: credit_frame(1, 5, 4), BadFrame),
    "control over its size": (
        "hub", lambda: data_frame(0, 0, (256 * 1024 + 1).to_bytes(4, "big")), FrameTooBig,
    ),
    "control that is no JSON": (
        "hub", lambda: data_frame(0, 0, b"\x00\x00\x00\x02{{"), BadFrame,
    ),
    "control nested without end": (
        "hub", lambda: data_frame(0, 0, (8000).to_bytes(4, "big") + b"[" * 8000), BadFrame,
    ),
    "reason that is no text": ("hub", lambda: frame(FrameType.CANCEL, 1, b"\xff"), BadFrame),
    "short ping": ("hub", lambda: frame(FrameType.PING, 0, b"x"), BadFrame),
    "more in a ping": ("hub", lambda: frame(FrameType.PING, 0, bytes(8), Flag.MORE), BadFrame),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_each_broken_rule_has_its_error(name: str) -> None:
    """The link closes with the error that the rule names, and tells the peer its code."""
    end, make, kind = BROKEN[name]
    pair, _, _ = victims()
    pair.hub.open(request(5))
    pair.settle()
    core: LinkCore = pair.hub if end == "hub" else pair.agent
    events = core.receive_data(make(), pair.now)
    closed = [event for event in events if isinstance(event, ev.LinkClosed)]
    assert len(closed) == 1
    assert type(closed[0].error) is kind
    farewell = core.data_to_send()
    assert farewell[0] == FrameType.CLOSE
    assert kind.code.encode() in farewell
    assert core.data_to_send() == b""


def test_a_flood_of_streams_is_refused_then_ends_the_link() -> None:
    """OPEN over the limit is refused; a hub that never listens to that loses its link."""
    pair = LinkedPair(SETTINGS).connect()
    opening = examples()["OPEN"][8:]
    for number in range(1, 200):
        pair.agent.receive_data(frame(FrameType.OPEN, number, opening), pair.now)
        assert len(pair.agent.streams) <= SETTINGS.max_streams
        if pair.agent.is_closed:
            return
    raise AssertionError("The flood was never stopped.")


def test_tiny_chunks_do_not_become_many_objects() -> None:
    """A window filled byte by byte takes few objects, at the reader and at the writer."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    for _ in range(60_000):
        pair.agent.write(at_agent, b"x")
        if len(at_agent.sender.pending) % 7 == 0:
            pair.to_hub()
    pair.to_hub()
    assert at_hub.receiver.received == 60_000
    assert len(at_hub.receiver.chunks) < 200
    assert len(at_agent.sender.retained) + len(at_agent.sender.pending) < 200
