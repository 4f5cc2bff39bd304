"""One example of every frame, made by the codec; frames.txt holds their bytes as law."""

from __future__ import annotations

from underpass.tunnel.protocol.frames import (
    Flag,
    FrameType,
    cancel_frame,
    credit_frame,
    data_frame,
    end_frame,
    frame,
)
from underpass.tunnel.protocol.goodbye import close_frame, goaway_frame
from underpass.tunnel.protocol.handshake import (
    HalfState,
    Hello,
    StreamEntry,
    Verdict,
    VerdictKind,
    Welcome,
    hello_frames,
    welcome_frames,
)
from underpass.tunnel.protocol.heads import (
    Head,
    OpenHead,
    StreamKind,
    encode_head,
    encode_open,
)
from underpass.tunnel.protocol.limits import LinkSettings

OPENING = OpenHead(
    StreamKind.HTTP, "tun_1", "req_1", "POST", "/v1/chat/completions",
    (("content-type", "application/json"),), durable=True,
)  # fmt: skip
ANSWER = Head(200, (("content-type", "text/event-stream"),))

HELLO = Hello(
    link_id="lnk_1",
    token="0123456789abcdefghijklmnopqrstuv",
    epoch=3,
    last_opened=7,
    control=HalfState(120, 120, 524408, has_end=False),
    control_floor=64,
    table=(
        StreamEntry(5, "req_5", HalfState(900, 900, 900, has_end=True), 4096, is_durable=True),
        StreamEntry(
            7, "", HalfState(0, 0, 0, has_end=False), 0, is_durable=False, cancelled="upstream_cut"
        ),
    ),
    software="underpass/0.1.0",
)

WELCOME = Welcome(
    link_id="lnk_1",
    token="vutsrqponmlkjihgfedcba9876543210",
    epoch=3,
    is_fresh=False,
    control=HalfState(64, 64, 524352, has_end=False),
    settings=LinkSettings(),
    verdicts=(
        Verdict(
            5, VerdictKind.CONTINUE, HalfState(8192, 6000, 268144, has_end=False), has_head=True
        ),
        Verdict(7, VerdictKind.CANCELLED, reason="upstream_cut"),
    ),
)


def examples() -> dict[str, bytes]:
    """Name → the frame or frames."""
    return {
        "DATA": data_frame(5, 4096, b"data: {}\n\n"),
        "DATA, blocked": data_frame(5, 4106, b"", Flag.BLOCKED),
        "DATA, control": data_frame(0, 64, b"\x00\x00\x00\x07" + b'{"n":1}'),
        "END": end_frame(5, 4106),
        "CREDIT": credit_frame(5, 131072, 393216),
        "CREDIT, whole": credit_frame(5, 4106, 4106),
        "OPEN": frame(FrameType.OPEN, 5, encode_open(OPENING, 262144)),
        "HEAD": frame(FrameType.HEAD, 5, encode_head(ANSWER)),
        "CANCEL": cancel_frame(5, "client_gone"),
        "CANCEL, ack": frame(FrameType.CANCEL, 5, flags=Flag.ACK),
        "RELEASE": frame(FrameType.RELEASE, 5),
        "PING": frame(FrameType.PING, 0, bytes(8)),
        "PING, ack": frame(FrameType.PING, 0, bytes(8), Flag.ACK),
        "GOAWAY": goaway_frame("restart", 30.0, is_closing=False),
        "GOAWAY, closing": goaway_frame("restart", 0.0, is_closing=True),
        "HELLO": b"".join(hello_frames(HELLO)),
        "WELCOME": b"".join(welcome_frames(WELCOME)),
        "CLOSE": close_frame("stopped", "The tunnel was stopped."),
    }


def printed() -> str:
    """The text of frames.txt."""
    blocks = []
    for name, whole in examples().items():
        text = whole.hex()
        header = " ".join((text[:2], text[2:4], text[4:8], text[8:16]))
        lines = [text[cut : cut + 96] for cut in range(16, len(text), 96)]
        blocks.append("\n".join([f"# {name}", header, *lines]))
    return "\n\n".join(blocks) + "\n"


def parsed(text: str) -> dict[str, bytes]:
    """Name → bytes, from the text of frames.txt."""
    found = {}
    for block in text.strip().split("\n\n"):
        name, _, digits = block.partition("\n")
        found[name.removeprefix("# ")] = bytes.fromhex(digits)
    return found


if __name__ == "__main__":
    print(printed(), end="")
