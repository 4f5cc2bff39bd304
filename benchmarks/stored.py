"""What a hub costs that has much behind it, beside one that has nothing: chats and ended sessions.

Two hubs of the same kind, in turns. What is stored is put there by the store itself, with a stopped
tunnel and its provider for each ended session, all of the person who calls.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.lines import Line
from benchmarks.load import run_calls
from benchmarks.paths import Carriers, Way, seconds_to_ready
from tests.rig.stack import Person, Stack
from tests.rig.stub import StubProcess
from underpass import store
from underpass.core.ids import new_id
from underpass.core.states import EndReason, ProviderStatus, SessionStatus, TunnelStatus
from underpass.store import (
    ChatRecord,
    MessageRecord,
    ProviderRecord,
    ProviderType,
    SessionRecord,
    Store,
    TunnelRecord,
)

CHATS, MESSAGES = 20_000, 4
SESSIONS = 2_000
ROUNDS = 3
CONNECTIONS = 16
CALLS_S = 3.0
IDLE_S = 10.0
WORDS = "What the fan says when the pump is warm. " * 10


@dataclass(frozen=True)
class _Place:
    """A hub with one person's running model."""

    stack: Stack
    person: Person

    @property
    def hub(self) -> Carriers:
        """The hub's process as it is now: it is started several times."""
        return Carriers(self.stack.hub.pid)


def measure() -> Iterator[Line]:
    """Start, memory, calls and rest of both hubs, and the one by the other."""
    with (
        tempfile.TemporaryDirectory(prefix="underpass-bench-") as name,
        ExitStack() as ends,
    ):
        stub = StubProcess(Path(name) / "stub.log")
        ends.callback(stub.stop)
        empty, full = (_open(Path(name) / part, stub, ends) for part in ("empty", "full"))
        full.stack.hub.stop()
        asyncio.run(_fill(full))
        full.stack.start_hub()
        what = f"{CHATS:,} chats and {SESSIONS:,} ended sessions stored"
        for title, unit, probe in (
            ("start to ready", "s", _ready_s),
            ("the hub's CPU for a call", "µs", _call_us),
            ("the hub's CPU at rest", "ms a second", _rest_ms),
        ):
            found = [(probe(empty), probe(full)) for _ in range(ROUNDS)]
            without, with_all = (median(column) for column in zip(*found, strict=True))
            yield Line(f"nothing stored: {title}", without, unit)
            yield Line(f"{what}: {title}", with_all, unit)
            yield Line(f"{title}: the second by the first", with_all / without, "", 1.2)


def _open(folder: Path, stub: StubProcess, ends: ExitStack) -> _Place:
    folder.mkdir()
    stack = Stack(folder)
    ends.callback(stack.stop)
    person = stack.add_person("bench")
    stack.open_tunnel(person, str(stub.port), "stub")
    return _Place(stack, person)


# --- what is measured -----------------------------------------------------------------------------


def _ready_s(place: _Place) -> float:
    took = seconds_to_ready(place.stack)
    place.stack.wait_provider(place.person, "stub", "running", within_s=60)
    return took


def _call_us(place: _Place) -> float:
    way = Way("underpass", place.stack.port, "stub/stub", place.person.key)
    before = place.hub.cpu_s()
    count, _ = asyncio.run(run_calls(way, CONNECTIONS, CALLS_S))
    return 1e6 * (place.hub.cpu_s() - before) / count


def _rest_ms(place: _Place) -> float:
    return 1e3 * _used(place.hub.cpu_s, IDLE_S) / IDLE_S


def _used(cpu_s: Callable[[], float], seconds: float) -> float:
    before = cpu_s()
    time.sleep(seconds)
    return cpu_s() - before


# --- what is stored -------------------------------------------------------------------------------


async def _fill(place: _Place) -> None:
    opened = await store.open(f"sqlite+aiosqlite:///{place.stack.data_dir}/underpass.db")
    try:
        user = await opened.users.find_by_name(place.person.name)
        assert user is not None
        for _ in range(SESSIONS):
            await _add_session(opened, user.id)
        chats = [_chat(user.id, number) for number in range(CHATS)]
        for first in range(0, CHATS, 500):
            await opened.messages.add_chats(chats[first : first + 500])
    finally:
        await opened.close()


async def _add_session(opened: Store, owner: str) -> None:
    session = SessionRecord(
        id=new_id("ses"),
        owner_id=owner,
        name=new_id("old"),
        created_at=1.0,
        status=SessionStatus.STOPPED,
        end_reason=EndReason.USER,
        end_message="You stopped it.",
        is_attached=True,
        host="gpu-1",
        ended_at=2.0,
    )
    await opened.sessions.add(session)
    tunnel = TunnelRecord(
        id=new_id("tun"),
        session_id=session.id,
        owner_id=owner,
        name=session.name,
        target="127.0.0.1:8000",
        created_at=1.0,
        openai=True,
        status=TunnelStatus.STOPPED,
        stopped_at=2.0,
    )
    await opened.tunnels.add(tunnel)
    provider = ProviderRecord(
        id=new_id("prv"),
        type=ProviderType.OPENAI_TUNNEL,
        owner_id=owner,
        name=session.name,
        updated_at=2.0,
        tunnel_id=tunnel.id,
        status=ProviderStatus.STOPPED,
        status_reason="You stopped it.",
        models=[{"id": "llama", "max_model_len": 8192}],
    )
    await opened.providers.add(provider)


def _chat(owner: str, number: int) -> tuple[ChatRecord, list[MessageRecord]]:
    chat_id, at = new_id("cht"), float(number)
    ids = [new_id("msg") for _ in range(MESSAGES)]
    messages = [
        MessageRecord(
            id=one,
            chat_id=chat_id,
            parent_id=ids[place - 1] if place else None,
            role="assistant" if place % 2 else "user",
            content=WORDS,
            created_at=at + place,
        )
        for place, one in enumerate(ids)
    ]
    chat = ChatRecord(
        id=chat_id,
        owner_id=owner,
        created_at=at,
        updated_at=at,
        title=f"Fan {number}",
        head_id=ids[-1],
    )
    return chat, messages
