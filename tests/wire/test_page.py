"""docs/protocol.md says what the code does: its tables are compared with the constants."""

from __future__ import annotations

import re
from pathlib import Path

from underpass.core.states import mermaid
from underpass.tunnel.protocol import LINK_MOVES, AgentLink, HubLink, LinkSettings, Phase, goodbye
from underpass.tunnel.protocol import limits as l
from underpass.tunnel.protocol.frames import ALLOWED_FLAGS, Flag, FrameType
from underpass.tunnel.protocol.handshake import VerdictKind

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()

SETTINGS = LinkSettings()

LIMITS = {
    "frame payload": l.MAX_PAYLOAD_BYTES,
    "data in a frame": l.MAX_DATA_BYTES,
    "message": l.MAX_MESSAGE_BYTES,
    "HELLO or WELCOME": l.MAX_HANDSHAKE_BYTES,
    "streams of a link": SETTINGS.max_streams,
    "request id, characters": l.MAX_REQUEST_ID_CHARS,
    "reason, characters": l.MAX_REASON_CHARS,
    "credit for a request at its start": l.REQUEST_LIMIT_BYTES,
    "first window": l.FIRST_WINDOW_BYTES,
    "largest window": l.MAX_WINDOW_BYTES,
    "least window": l.LEAST_WINDOW_BYTES,
    "link budget": SETTINGS.link_budget_bytes,
    "control message": l.MAX_CONTROL_BYTES,
    "control window": l.CONTROL_WINDOW_BYTES,
    "control backlog": l.CONTROL_BACKLOG_BYTES,
    "durable, stream": SETTINGS.durable_stream_bytes,
    "durable, link": SETTINGS.durable_link_bytes,
    "ping after, s": SETTINGS.ping_after_s,
    "dead after a ping, s": SETTINGS.dead_after_s,
    "an agent's patience, s": l.AGENT_PATIENCE_S,
    "WELCOME within, s": SETTINGS.handshake_s,
    "grace, s": SETTINGS.grace_s,
    "durable grace, s": SETTINGS.durable_grace_s,
}


def table(first: str) -> list[list[str]]:
    """The rows of the table whose first heading is `first`, without the headings."""
    rows = []
    for line in PAGE[PAGE.index(f"| {first} |") :].splitlines()[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_table_of_frames_is_the_codecs() -> None:
    """Types, names and flags of the page are those of the code, and nothing is missing."""
    rows = table("type")
    assert {row[1]: int(row[0]) for row in rows} == {kind.name: int(kind) for kind in FrameType}
    for row in rows:
        flags = sum(Flag[name] for name in row[3].split(", ") if name)
        assert flags == ALLOWED_FLAGS[FrameType[row[1]]], row


def test_the_table_of_flags_is_the_codecs() -> None:
    """Names and values."""
    known = {flag.name: flag.value for flag in Flag if flag}
    assert {row[0]: int(row[1]) for row in table("flag")} == known


def test_who_sends_a_frame_is_what_the_other_side_takes() -> None:
    """A frame "from" one side is expected by the other, in some phase, and by nobody else."""
    at_hub = {kind for kinds in HubLink.EXPECTED.values() for kind in kinds} | {FrameType.HELLO}
    at_agent = {kind for kinds in AgentLink.EXPECTED.values() for kind in kinds}
    for row in table("type"):
        kind = FrameType[row[1]]
        assert (kind in at_hub) == (row[2] in {"agent", "both"}), row
        assert (kind in at_agent) == (row[2] in {"hub", "both"}), row


def test_the_limits_are_the_constants() -> None:
    """Every number of the page, and no number besides."""
    assert {row[0]: float(row[1]) for row in table("limit")} == LIMITS


def test_the_verdicts_and_codes_are_the_codes() -> None:
    """Verdicts, reasons and what an agent does after which CLOSE."""
    assert [row[0] for row in table("verdict")] == [str(kind) for kind in VerdictKind]
    reasons = {row[0] for row in table("reason")}
    assert reasons == {goodbye.REFUSED, goodbye.COMPLETE, "gone"}
    sentence = PAGE[PAGE.index("After the codes") : PAGE.index("as a new link.")]
    permanent, restart = sentence.split("does not come back")
    assert set(re.findall(r"`(\w+)`", permanent)) == goodbye.PERMANENT
    assert set(re.findall(r"`(\w+)`", restart)) == goodbye.RESTART


def test_the_diagram_is_drawn_from_the_table() -> None:
    """The link's states in the page are `LINK_MOVES`."""
    assert mermaid(LINK_MOVES, Phase.NEW) in PAGE
