"""What the core tells its shell. Data has no event: see `LinkCore.take_readable`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from underpass.core.errors import TunnelError
from underpass.tunnel.protocol.streams import StreamState


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The handshake is done; streams go on. `is_fresh`: the peer remembers nothing of before."""

    is_fresh: bool


@dataclass(frozen=True, slots=True)
class LinkClosed:
    """The link is over and will not come back; its streams have been reset."""

    error: TunnelError


@dataclass(frozen=True, slots=True)
class CarrierDead:
    """The carrier must be dropped: silence, or a handshake that did not come."""

    reason: str


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """Agent: the hub opened it. Hub: it was adopted from before a restart."""

    stream: StreamState


@dataclass(frozen=True, slots=True)
class HeadReceived:
    """The stream's `head` is there."""

    stream: StreamState


@dataclass(frozen=True, slots=True)
class StreamWritable:
    """A write that was not taken whole may go on."""

    stream: StreamState


@dataclass(frozen=True, slots=True)
class StreamFailed:
    """The stream ended before its end; `stream.error` says why."""

    stream: StreamState


@dataclass(frozen=True, slots=True)
class ControlReceived:
    """One control message, in order, and how many bytes it had on the wire."""

    message: dict[str, Any]
    size: int = 0


@dataclass(frozen=True, slots=True)
class GoAway:
    """The peer drains. `is_closing`: it is about to close the carrier, connect anew now."""

    is_closing: bool
    reason: str
    seconds_left: float


Event = (
    LinkUp
    | LinkClosed
    | CarrierDead
    | StreamOpened
    | HeadReceived
    | StreamWritable
    | StreamFailed
    | ControlReceived
    | GoAway
)
