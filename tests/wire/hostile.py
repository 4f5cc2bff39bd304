"""A link in full swing, honest messages, and what bytes of a hostile peer may do to it: nothing."""

from __future__ import annotations

import random

from tests.tunnel.protocol.pair import OK, LinkedPair, request
from tests.wire.examples import examples
from underpass.core.errors import TunnelError
from underpass.tunnel.protocol import LinkSettings
from underpass.tunnel.protocol import events as ev
from underpass.tunnel.protocol.core import LinkCore
from underpass.tunnel.protocol.frames import (
    HEADER,
    FrameType,
    cancel_frame,
    credit_frame,
    data_frame,
    end_frame,
    frame,
)
from underpass.tunnel.protocol.heads import StreamKind

SETTINGS = LinkSettings(max_streams=16, link_budget_bytes=1 << 20)

# Windows of the link, the least windows beyond them, one partial frame, control and its parts.
HELD_AT_MOST = (1 << 20) + 16 * 4 * 16 * 1024 + 4 * 512 * 1024

EDGES = [0, 1, 2, 7, 8, 255, 256, 16383, 16384, 16385, 65535, 2**31, 2**32 - 1, 2**63, 2**64 - 1]


def victims() -> tuple[LinkedPair, list[bytes], list[bytes]]:
    """A link in full swing, and honest messages that each end could get next."""
    pair = LinkedPair(SETTINGS).connect()
    for number in range(4):
        kind = StreamKind.RAW if number == 3 else StreamKind.HTTP
        _, at_agent = pair.open(request(number, kind=kind, durable=number == 2))
        pair.agent.respond(at_agent, OK)
        pair.agent.write(at_agent, b"first")
    pair.settle()
    whole = list(examples().values())
    numbered = [
        data_frame(number, 5, b"x" * size) for number in range(1, 5) for size in (1, 200, 9000)
    ]
    numbered += [end_frame(number, 5) for number in range(1, 5)]
    numbered += [credit_frame(number, 5, 70_000) for number in range(1, 5)]
    numbered += [cancel_frame(number, "why") for number in range(1, 5)]
    opens = [frame(FrameType.OPEN, n, examples()["OPEN"][8:]) for n in (5, 6, 7, 4_000_000_000)]
    return pair, whole + numbered, whole + numbered + opens


def mutated(rng: random.Random, honest: list[bytes]) -> bytes:
    """Some honest frames, damaged."""
    picked = [bytearray(rng.choice(honest)) for _ in range(rng.randint(1, 4))]
    target = rng.choice(picked)
    for _ in range(rng.randint(0, 3)):
        what = rng.randrange(7)
        at = rng.randrange(len(target)) if target else 0
        if what == 0 and target:
            target[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            del target[at:]
        elif what == 2:
            target[at:at] = rng.randbytes(rng.randint(1, 20))
        elif what == 3 and len(target) >= 8:
            target[:8] = HEADER.pack(
                rng.choice([*range(13), 255]), rng.choice([0, 1, 2, 4, 8, 255]),
                rng.choice(EDGES) & 0xFFFF, rng.choice([0, 1, 2, 3, 4, 5, 99, 2**32 - 1]),
            )  # fmt: skip
        elif what == 4 and len(target) >= 16:
            target[8:16] = rng.choice(EDGES).to_bytes(8, "big")
        elif what == 5:
            digits = [i for i, byte in enumerate(target) if 48 <= byte <= 57]
            if digits:
                target[rng.choice(digits)] = rng.choice(b'0123456789-.eE"[{n')
        else:
            target += target[at:]
    return b"".join(picked)


def held(core: LinkCore) -> int:
    """Payload bytes that a core holds on behalf of its peer."""
    streams = sum(
        sum(map(len, s.receiver.chunks)) + sum(map(len, s.sender.pending))
        for s in core.streams.values()
    )
    return streams + len(core._buffer) + len(core._control._partial)


def feed(core: LinkCore, data: bytes, now: float) -> bool:
    """Feeds a core; False when it closed the link. Fails the test for anything but that."""
    events = core.receive_data(data, now)
    for event in events:
        if isinstance(event, ev.LinkClosed):
            assert isinstance(event.error, TunnelError)
    assert held(core) <= HELD_AT_MOST
    assert len(core.streams) <= SETTINGS.max_streams
    assert len(core._cancelled) <= 3 * SETTINGS.max_streams
    answer = core.data_to_send()
    assert len(answer) <= 64 * 1024
    return not core.is_closed


def hello_bytes(pair: LinkedPair) -> list[bytes]:
    """The agent's next HELLO as bytes."""
    pair.agent.connect(pair.now)
    found = []
    while data := pair.agent.data_to_send():
        found.append(data)
    return found
