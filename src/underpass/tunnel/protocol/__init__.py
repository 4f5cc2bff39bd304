"""The tunnel's protocol, both ends, without I/O: docs/protocol.md as code.

Five nouns. A *frame* is what the wire is cut into (`frames`). A *stream* is a request and its
answer: a sender and a receiver at each end (`streams`), within windows (`flow`). A *link* is
what an agent has with a hub, over any number of carriers: `HubLink` and `AgentLink`, on the
common `LinkCore`. The *outbox* decides what goes out next. *Events* are what a link tells its
shell.

The shell is `tunnel.link`; others need this package for the nouns alone. The hub's endpoint,
with the shell:

    hello = await receive_hello(carrier)            # raises RemoteProtocolError, CarrierClosed
    link = links.get(hello.link_id)                 # an id proves nothing ...
    if link is None or link.is_closed or link.owner != session_id:
        for older in links_of(session_id):          # a second agent, or a WELCOME that was lost
            await older.close("Another agent has come.", code="replaced")
        core = HubLink(new_id("lnk"), session_id, settings=settings, budget=hub_budget)
        link = Link(core, on_control=..., on_state=..., on_stream=...)
        links[link.link_id] = link
    await link.serve(carrier, hello=hello, owner=session_id, adopt={request_id: offset})

`adopt` counts only for a new `HubLink`: the hub was restarted, and these are the durable answers
that it has stored up to an offset; each one that the agent still has comes through `on_stream`.
`serve` returns when the carrier is gone. The link then waits for its next one until grace ends:
`on_state(LinkState.CLOSED)` says when to take it out of `links`. A hub that stops calls
`drain(..., is_closing=True)` and cancels the tasks that serve, and does not `close` its links: their
agents come back to the next hub with their durable answers.

The agent, which has one `Link` for its whole life unless it is closed:

    link = Link(AgentLink(software="underpass/0.1.0"), on_stream=..., on_control=...)
    while not link.is_closed:
        async with dial(...) as carrier:
            await link.serve(carrier)               # raises LinkRefused: do not come back
"""

from underpass.tunnel.protocol.agent import AgentLink
from underpass.tunnel.protocol.core import LinkCore
from underpass.tunnel.protocol.events import GoAway
from underpass.tunnel.protocol.flow import Budget
from underpass.tunnel.protocol.goodbye import COMPLETE, REFUSED
from underpass.tunnel.protocol.handshake import Hello, HelloReader
from underpass.tunnel.protocol.heads import Head, Headers, OpenHead, StreamKind
from underpass.tunnel.protocol.hub import HubLink
from underpass.tunnel.protocol.limits import LinkSettings
from underpass.tunnel.protocol.phases import LINK_MOVES, Phase

__all__ = [
    "COMPLETE",
    "LINK_MOVES",
    "REFUSED",
    "AgentLink",
    "Budget",
    "GoAway",
    "Head",
    "Headers",
    "Hello",
    "HelloReader",
    "HubLink",
    "LinkCore",
    "LinkSettings",
    "OpenHead",
    "Phase",
    "StreamKind",
]
