"""The numbers of docs/protocol.md, each with its reason. A test compares page and module."""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 1
"""The only version so far; HELLO lists what the agent speaks, WELCOME names the choice."""

KIB = 1024
MIB = 1024 * KIB

# --- frames ----------------------------------------------------------------------------------

HEADER_BYTES = 8
MAX_PAYLOAD_BYTES = 16 * KIB
"""A frame is the unit of sharing: at 10 Mbit/s one takes 13 ms of everyone else's time."""

OFFSET_BYTES = 8
MAX_DATA_BYTES = MAX_PAYLOAD_BYTES - OFFSET_BYTES
MAX_MESSAGE_BYTES = 64 * KIB
"""What one pull hands to the carrier: a cancel waits behind at most this and the carrier's own
buffer, and one system call still carries hundreds of small chunks."""

MAX_HANDSHAKE_BYTES = MIB
"""A HELLO or WELCOME over all its frames: 1024 streams take about 200 KiB."""

MAX_STREAM_ID = 2**32 - 1
MAX_OFFSET = 2**63 - 1
"""Offsets are u64 on the wire; a signed 64-bit integer must hold them in every language."""

# --- windows ---------------------------------------------------------------------------------

REQUEST_LIMIT_BYTES = 64 * KIB
"""What the hub may send on a new stream before the agent's first CREDIT: most prompts fit, and
1024 streams of it are 64 MiB, the cap of a link."""

FIRST_WINDOW_BYTES = 256 * KIB
MAX_WINDOW_BYTES = 4 * MIB
"""4 MiB fill 320 Mbit/s at 100 ms; frp at a fixed 256 KiB fell to a tenth of its line."""

LEAST_WINDOW_BYTES = 16 * KIB
"""What a stream gets even when the caps are used up: less would stop it, and a chat streams well
in one frame's worth."""

BUDGET_SHARE = 8
"""One window takes at most an eighth of what is free, so late streams still find something."""

LINK_BUDGET_BYTES = 64 * MIB
"""All windows of one link together, both directions, at each end."""

# --- control ---------------------------------------------------------------------------------

CONTROL_WINDOW_BYTES = 512 * KIB
MAX_CONTROL_BYTES = 256 * KIB
"""One JSON message; half the window, so that one always fits."""

CONTROL_BACKLOG_BYTES = MIB
"""What waits to be sent or consumed; a sender over it gets an error instead of memory."""

# --- streams ---------------------------------------------------------------------------------

MAX_STREAMS = 1024
MAX_REQUEST_ID_CHARS = 128
MAX_REASON_CHARS = 200
SMALL_CHUNKS = 64
"""So many small chunks in a row are joined: an object costs about 40 bytes, however short."""

READ_BYTES = 64 * KIB
"""One read returns about this much at most, so that one stream's turn stays short."""

DURABLE_STREAM_BYTES = 8 * MIB
DURABLE_LINK_BYTES = 64 * MIB
"""Kept answers beyond what credit keeps: 8 MiB hold an answer of over 30,000 tokens."""

# --- time, in seconds ------------------------------------------------------------------------

PING_AFTER_S = 10.0
DEAD_AFTER_S = 10.0
"""Proxies cut silent WebSockets at 30 to 120 s; 10 + 10 stays below and finds a dead one soon."""

AGENT_PATIENCE_S = 1.0
"""So much longer an agent waits with its PING, and so much less after it: see decision 0016."""

HANDSHAKE_S = 10.0
GRACE_S = 60.0
DURABLE_GRACE_S = 600.0
"""A hub that is being upgraded is away for minutes; the answer it asked for waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """What may differ between links. The hub's values reach the agent in WELCOME.

    The last three stand at each end for itself and are not sent.
    """

    max_streams: int = MAX_STREAMS
    grace_s: float = GRACE_S
    durable_grace_s: float = DURABLE_GRACE_S
    ping_after_s: float = PING_AFTER_S
    dead_after_s: float = DEAD_AFTER_S
    handshake_s: float = HANDSHAKE_S
    """How long an agent waits for WELCOME."""
    link_budget_bytes: int = LINK_BUDGET_BYTES
    durable_link_bytes: int = DURABLE_LINK_BYTES
    durable_stream_bytes: int = DURABLE_STREAM_BYTES
