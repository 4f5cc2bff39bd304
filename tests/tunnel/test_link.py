"""The asyncio shell over carriers in memory: waiting, waking, gathering, reconnecting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from tests.tunnel.memory import MemoryCarrier, carrier_pair
from tests.tunnel.protocol.pair import OK, request
from tests.tunnel.protocol.world import pattern
from underpass.core.errors import (
    BadFrame,
    LinkRefused,
    LocalProtocolError,
    RemoteProtocolError,
    ResumeExpired,
    StreamReset,
)
from underpass.tunnel.link import (
    BUSY_S,
    BUSY_WRITES,
    CarrierClosed,
    GoAway,
    Link,
    LinkState,
    Stream,
    receive_hello,
    refuse,
)
from underpass.tunnel.protocol import AgentLink, HubLink, LinkSettings
from underpass.tunnel.protocol.frames import FrameType, frame
from underpass.tunnel.protocol.heads import StreamKind

PATIENCE_S = 5.0
Handler = Callable[[Stream], Awaitable[None]]


class Rig:
    """A hub's link and an agent's, with carriers that the test makes and cuts."""

    def __init__(self, settings: LinkSettings | None = None) -> None:
        self.now = 1000.0
        self.settings = settings or LinkSettings()
        self.handler: Handler = hold
        self.tasks: set[asyncio.Task[Any]] = set()
        self.hub_states: list[LinkState] = []
        self.agent_states: list[LinkState] = []
        self.hub_heard: list[dict[str, Any]] = []
        self.adopted: list[Stream] = []
        self.hub = self.new_hub("lnk_1")
        self.agent = Link(
            AgentLink(settings=self.settings),
            clock=lambda: self.now,
            on_stream=self._handle,
            on_state=self.agent_states.append,
        )
        self.agent_end, self.hub_end = carrier_pair()
        self.agent_run: asyncio.Task[None] | None = None
        self.hub_run: asyncio.Task[None] | None = None

    def new_hub(self, link_id: str) -> Link:
        """A hub's link that remembers nothing."""
        return Link(
            HubLink(link_id, "ses_1", settings=self.settings),
            clock=lambda: self.now,
            on_state=self.hub_states.append,
            on_control=self.hub_heard.append,
            on_stream=self.adopted.append,
        )

    def _handle(self, stream: Stream) -> None:
        self.spawn(self.handler(stream))

    def spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """A task that the rig looks after."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        return task

    async def connect(
        self, *, high_water: int = 64 * 1024, adopt: Mapping[str, int] | None = None
    ) -> None:
        """A new carrier with a whole handshake; what drove an older one comes to its end."""
        older = [run for run in (self.agent_run, self.hub_run) if run is not None]
        self.agent_end, self.hub_end = carrier_pair(high_water)
        self.agent_run = self.spawn(self.agent.serve(self.agent_end))
        hello = await receive_hello(self.hub_end)
        self.hub_run = self.spawn(
            self.hub.serve(self.hub_end, hello=hello, owner="ses_1", adopt=adopt)
        )
        await until(lambda: self.agent.is_up and self.hub.is_up)
        if older:
            await asyncio.wait(older)

    async def cut(self) -> None:
        """The carrier breaks; both sides have noticed."""
        self.agent_end.cut()
        await until(lambda: not self.agent.is_up and not self.hub.is_up)

    async def ask(self, number: int = 1, body: bytes = b"", **changes: Any) -> Stream:
        """A request with its whole body."""
        stream = await self.hub.open(replace(request(number), **changes))
        await stream.write(body)
        await stream.write_end()
        return stream

    async def stop(self) -> None:
        """Ends everything; a task's own failure is the test's."""
        for link in (self.agent, self.hub):
            if not link.is_closed:
                await link.close("The test is over.")
        for task in self.tasks:
            if not task.done():
                task.cancel()
        results = await asyncio.gather(*self.tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, AssertionError):
                raise result


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop turn until the condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "It never came true."
        await asyncio.sleep(0)


async def hold(stream: Stream) -> None:
    """Answers nothing and waits."""
    await stream.wait_cancelled()


async def echo(stream: Stream) -> None:
    """Answers with the request's body, as it comes."""
    await stream.respond(OK)
    while data := await stream.read():
        await stream.write(data)
    await stream.write_end()


async def read_all(stream: Stream) -> bytes:
    """The whole answer."""
    found = []
    while data := await stream.read():
        found.append(data)
    return b"".join(found)


@pytest_asyncio.fixture
async def rig() -> AsyncIterator[Rig]:
    """A connected pair of links."""
    rig = Rig()
    await rig.connect()
    yield rig
    await rig.stop()


# --- requests --------------------------------------------------------------------------------


async def test_a_request_and_its_answer(rig: Rig) -> None:
    """Head and body arrive both ways, and nothing of the stream is left."""
    rig.handler = echo
    stream = await rig.ask(1, b"What is a tunnel?")
    assert await stream.response() == OK
    assert await read_all(stream) == b"What is a tunnel?"
    assert await stream.read() == b""
    await until(lambda: not rig.agent.streams and not rig.hub.streams)
    assert rig.hub.stats.bytes_out == rig.agent.stats.bytes_in > 0


async def test_what_passes_tells_whether_a_link_is_used(rig: Rig) -> None:
    """Requests count while they are under way, raw streams by their bytes and not by standing open."""
    await rig.connect()
    quiet = rig.hub.use
    stream = await rig.hub.open(request())
    assert (rig.hub.use.opened, rig.hub.use.answering) == (quiet.opened + 1, 1)
    stream.cancel("done")
    assert (rig.hub.use.opened, rig.hub.use.answering) == (quiet.opened + 1, 0)
    raw = await rig.hub.open(replace(request(), kind=StreamKind.RAW))
    before = rig.hub.use
    assert (before.answering, rig.hub.use) == (0, before)
    await raw.write(b"ping")
    assert rig.hub.use.raw_bytes == before.raw_bytes + 4


async def test_writes_of_one_turn_leave_as_one_message(rig: Rig) -> None:
    """A hundred streams that write in one turn of the loop cost one message."""
    streams: list[Stream] = []

    async def collect(stream: Stream) -> None:
        await stream.respond(OK)
        streams.append(stream)

    rig.handler = collect
    asked = [await rig.ask(number) for number in range(100)]
    for stream in asked:
        await stream.response()
    await until(lambda: not rig.agent.core.has_urgent and not rig.hub.core.has_urgent)
    before = rig.hub_end.messages_in
    for stream in streams:
        await stream.write(b"token")
    await until(lambda: all(s.bytes_in == 5 for s in rig.hub.streams.values()))
    assert rig.hub_end.messages_in == before + 1


async def test_raw_streams_end_each_half_on_its_own(rig: Rig) -> None:
    """After the hub's end the agent may still write for as long as it likes."""

    async def answer_late(stream: Stream) -> None:
        await stream.respond(OK)
        assert await read_all(stream) == b"question"
        await stream.write(b"answer")
        await stream.write_end()

    rig.handler = answer_late
    stream = await rig.ask(1, b"question", kind=StreamKind.RAW)
    assert await read_all(stream) == b"answer"


async def test_an_early_answer_stops_the_upload_without_an_error_for_its_end(rig: Rig) -> None:
    """A writer whose answer is complete gets `complete`; its write_end is no error."""

    async def refuse_early(stream: Stream) -> None:
        await stream.respond(replace(OK, status=413))
        await stream.write_end()

    rig.handler = refuse_early
    stream = await rig.hub.open(request())
    upload = rig.spawn(stream.write(bytes(10_000_000)))
    assert (await stream.response()).status == 413
    assert await stream.read() == b""
    with pytest.raises(StreamReset) as caught:
        await upload
    assert caught.value.reason == "complete"
    await stream.write_end()


async def test_only_one_task_may_wait_for_a_half(rig: Rig) -> None:
    """Two readers of one stream are a mistake that is told at once."""
    rig.handler = echo
    stream = await rig.hub.open(request())
    first = rig.spawn(read_all(stream))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    with pytest.raises(LocalProtocolError):
        await stream.read()
    first.cancel()


async def test_control_arrives_in_order_and_a_failing_callback_stops_nothing(rig: Rig) -> None:
    """One owner's exception goes to the loop's handler; the link lives on."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

    def fail(message: dict[str, Any]) -> None:
        rig.hub_heard.append(message)
        raise ValueError("mine")

    rig.hub._on_control = fail
    for number in range(3):
        rig.agent.send_control({"n": number})
    await until(lambda: len(rig.hub_heard) == 3)
    assert [m["n"] for m in rig.hub_heard] == [0, 1, 2]
    assert len(faults) == 3
    assert rig.hub.is_up


# --- back-pressure ---------------------------------------------------------------------------


async def test_a_writer_waits_for_credit_and_goes_on(rig: Rig) -> None:
    """Nobody reads: the writer stops at the window; one reads: it ends."""
    rig.handler = echo
    stream = await rig.hub.open(request())
    body = pattern(1, 0, 3_000_000)
    writer = rig.spawn(stream.write(body))
    for _ in range(300):
        await asyncio.sleep(0)
    assert not writer.done()
    assert stream.bytes_out < 2_000_000
    got = b""
    while len(got) < len(body):
        got += await stream.read()
    await writer
    assert got == body


async def test_a_slow_reader_slows_nobody_else(rig: Rig) -> None:
    """One stream that nobody reads, and another that moves megabytes beside it."""

    async def pour(stream: Stream) -> None:
        await stream.respond(OK)
        await stream.write(pattern(2, 0, 4_000_000))
        await stream.write_end()

    rig.handler = pour
    stuck = await rig.ask(1)
    quick = await rig.ask(2)
    assert await read_all(quick) == pattern(2, 0, 4_000_000)
    assert stuck.bytes_in <= 256 * 1024
    assert await read_all(stuck) == pattern(2, 0, 4_000_000)


async def test_a_cancel_waits_behind_little(rig: Rig) -> None:
    """With every stream full, a cancel arrives within the next two messages."""
    cancelled: list[str] = []

    async def watch(stream: Stream) -> None:
        cancelled.append(await stream.wait_cancelled())
        seen_after.append(rig.agent_end.messages_in)

    seen_after: list[int] = []
    rig.handler = watch
    streams = [await rig.hub.open(request(n)) for n in range(20)]
    await until(lambda: len(rig.agent.streams) == 20)
    rig.agent_end.hold()
    writers = [rig.spawn(s.write(bytes(1_000_000))) for s in streams]
    for _ in range(50):
        await asyncio.sleep(0)
    streams[3].cancel("client_gone")
    before = rig.agent_end.messages_in
    rig.agent_end.flow()
    await until(lambda: bool(cancelled))
    assert cancelled == ["client_gone"]
    # Two were in the carrier's own buffer; the third has the cancel at its beginning.
    assert seen_after[0] - before <= 4
    with pytest.raises(StreamReset):
        await writers[3]


async def test_messages_are_bounded(rig: Rig) -> None:
    """However much waits, one message is 64 KiB at most."""
    rig.handler = echo
    streams = [await rig.hub.open(request(n)) for n in range(8)]
    for stream in streams:
        rig.spawn(stream.write(bytes(500_000)))
    for stream in streams:
        got = 0
        while got < 500_000:
            got += len(await stream.read())
    assert max(rig.agent_end.largest, rig.hub_end.largest) <= 64 * 1024


async def test_write_now_takes_what_credit_allows(rig: Rig) -> None:
    """For callers that cannot wait: it says how much went, and `write` goes on from there."""
    rig.handler = echo
    stream = await rig.hub.open(request())
    body = pattern(3, 0, 1_000_000)
    taken = stream.write_now(body)
    assert 0 < taken < len(body)
    assert stream.write_now(body[taken:]) == 0
    rest = rig.spawn(stream.write(body[taken:]))
    got = b""
    while len(got) < len(body):
        got += await stream.read()
    await rest
    assert got == body


# --- ending ----------------------------------------------------------------------------------


def _has(pieces: list[bytes], count: int) -> bool:
    return len(pieces) == count


class Cup:
    """A sink that takes `room` pieces at a time and keeps them all; empty again after `ready`."""

    def __init__(self, room: int) -> None:
        self.pieces: list[bytes] = []
        self.waits = 0
        self.gate = asyncio.Event()
        self._room = self._left = room

    def take(self, data: bytes) -> bool:
        self.pieces.append(data)
        self._left -= 1
        return self._left > 0

    async def ready(self) -> None:
        self.waits += 1
        await self.gate.wait()
        self._left = self._room


async def test_a_sink_gets_each_piece_in_the_turn_of_its_message(rig: Rig) -> None:
    """No task of its own stands between the carrier and the sink, and the end is told."""
    words: list[Stream] = []

    async def hold_on(stream: Stream) -> None:
        await stream.respond(OK)
        words.append(stream)

    rig.handler = hold_on
    stream = await rig.ask()
    cup = Cup(1000)
    pouring = rig.spawn(stream.pour(cup))
    await until(lambda: bool(words))
    for number in range(3):
        await words[0].write(b"word %d" % number)
        await until(partial(_has, cup.pieces, number + 1))
    await words[0].write(b"last")
    await words[0].write_end()
    await pouring
    assert cup.pieces == [b"word 0", b"word 1", b"word 2", b"last"]
    assert cup.waits == 0
    await until(lambda: not rig.agent.streams and not rig.hub.streams)


async def test_a_full_sink_stops_the_peer_until_it_is_ready(rig: Rig) -> None:
    """Nothing is consumed for a sink that is full, so the peer's credit ends; then all goes on."""
    rig.handler = echo
    stream = await rig.hub.open(request())
    body = pattern(5, 0, 3_000_000)
    writer = rig.spawn(stream.write(body))
    cup = Cup(1)
    pouring = rig.spawn(stream.pour(cup))
    await until(lambda: cup.waits == 1)
    for _ in range(300):
        await asyncio.sleep(0)
    assert len(cup.pieces) == 1
    assert stream.bytes_in < 1_000_000
    cup.gate.set()
    await writer
    await stream.write_end()
    await pouring
    assert b"".join(cup.pieces) == body


async def test_pouring_ends_with_the_stream_or_with_the_sinks_own_error(rig: Rig) -> None:
    """A reset reaches whoever pours; what a sink raises ends its stream's pouring, not the link."""
    rig.handler = echo
    one, other = await rig.ask(1, b"x"), await rig.hub.open(request(2))
    await one.response()

    class Broken(Cup):
        def take(self, data: bytes) -> bool:
            raise ValueError("spilt")

    pouring = rig.spawn(other.pour(Broken(1)))
    await other.response()
    await other.write(b"y")
    with pytest.raises(ValueError, match="spilt"):
        await pouring
    cup = Cup(9)
    pouring = rig.spawn(one.pour(cup))
    await until(lambda: cup.pieces == [b"x"] or one.is_cancelled)
    third = await rig.hub.open(request(3))
    pouring = rig.spawn(third.pour(Cup(9)))
    await third.response()
    third.cancel("stopped")
    with pytest.raises(StreamReset):
        await pouring
    assert rig.hub.is_up


async def test_a_busy_link_gathers_what_is_written_soon_after_a_message(rig: Rig) -> None:
    """After many writes in ten milliseconds, those of one millisecond leave together."""
    words: list[Stream] = []

    async def hold_on(stream: Stream) -> None:
        await stream.respond(OK)
        words.append(stream)

    rig.handler = hold_on
    stream = await rig.ask()
    await stream.response()
    await until(lambda: not rig.agent.core.has_urgent and not rig.hub.core.has_urgent)
    rig.now += 1

    async def messages_of(writes: int) -> int:
        """How many messages so many writes are, each in a turn of its own."""
        before, known = rig.hub_end.messages_in, stream.bytes_in
        for number in range(writes):
            await words[0].write(b"word!")
            while number == 0 and stream.bytes_in == known:
                await asyncio.sleep(0)
            for _ in range(5):
                await asyncio.sleep(0)
        await until(lambda: stream.bytes_in == known + 5 * writes)
        return rig.hub_end.messages_in - before

    assert await messages_of(BUSY_WRITES + 1) == BUSY_WRITES + 1, "a quiet link waits for nothing"
    rig.now += 1.5 * BUSY_S
    assert await messages_of(10) == 2, "the first at once, the rest when a millisecond is over"
    rig.now += 3 * BUSY_S
    assert await messages_of(10) == 10, "quiet again"


async def test_cancel_wakes_everyone_who_waits(rig: Rig) -> None:
    """Reader, writer and whoever waits for the head get the reason, on both sides."""
    seen: list[str] = []

    async def answer(stream: Stream) -> None:
        try:
            await stream.read()
        except StreamReset as error:
            seen.append(error.reason)

    rig.handler = answer
    stream = await rig.hub.open(request())
    head = rig.spawn(stream.response())  # type: ignore[arg-type]
    read = rig.spawn(stream.read())  # type: ignore[arg-type]
    await until(lambda: bool(rig.agent.streams))
    stream.cancel("stop")
    stream.cancel("again")
    for task in (head, read):
        with pytest.raises(StreamReset) as caught:
            await task
        assert caught.value.reason == "stop"
    await until(lambda: seen == ["stop"])
    assert stream.is_cancelled
    assert await stream.wait_cancelled() == "stop"


async def test_a_callback_is_told_of_a_cancel_once(rig: Rig) -> None:
    """In time, too late, and not after it was taken back."""
    rig.handler = hold
    told: list[int] = []
    one, two = await rig.ask(1), await rig.ask(2)
    one.on_cancelled(lambda: told.append(1))
    two.on_cancelled(lambda: told.append(2))
    two.on_cancelled(None)
    one.cancel("stopped")
    two.cancel("stopped")
    one.cancel("stopped")
    assert told == [1]
    two.on_cancelled(lambda: told.append(3))
    assert told == [1, 3]


async def test_an_agents_cancel_reaches_the_hubs_reader(rig: Rig) -> None:
    """An upstream that breaks in the middle is an error at the hub, never a short answer."""

    async def break_off(stream: Stream) -> None:
        await stream.respond(OK)
        await stream.write(b"half")
        stream.cancel("upstream_cut")

    rig.handler = break_off
    stream = await rig.ask()
    with pytest.raises(StreamReset) as caught:
        await read_all(stream)
    assert caught.value.reason == "upstream_cut"


async def test_close_ends_both_sides(rig: Rig) -> None:
    """The hub closes: its streams are reset, and the agent knows that it is over."""
    stream = await rig.ask()
    await rig.hub.close("The session was stopped.", code="stopped")
    with pytest.raises(StreamReset) as caught:
        await stream.response()
    assert caught.value.reason == "stopped"
    assert rig.agent_run is not None
    with pytest.raises(LinkRefused) as refused:
        await rig.agent_run
    assert refused.value.code == "stopped"
    assert rig.agent.state is LinkState.CLOSED
    assert rig.agent_states == [LinkState.UP, LinkState.CLOSED]
    assert rig.hub_end.close_code is not None


async def test_a_broken_peer_closes_the_link_with_its_error(rig: Rig) -> None:
    """A wrong frame: serve raises the typed error, and the agent is told before the close."""
    await rig.agent_end.send(b"\x63" + bytes(7))
    assert rig.hub_run is not None
    with pytest.raises(BadFrame):
        await rig.hub_run
    await until(lambda: rig.agent.is_closed)
    assert rig.agent.close_error is not None
    assert rig.agent.close_error.code == "bad_frame"
    assert rig.hub_end.close_code == 1002


async def test_a_drain_is_heard_and_running_streams_end_well(rig: Rig) -> None:
    """GOAWAY reaches the agent's callback; what runs is finished."""
    heard: list[GoAway] = []
    rig.agent._on_goaway = heard.append
    rig.handler = echo
    stream = await rig.hub.open(request())
    rig.hub.drain("restart", 5)
    await until(lambda: bool(heard))
    assert heard == [GoAway(False, "restart", 5.0)]
    await stream.write(b"to the end")
    await stream.write_end()
    assert await read_all(stream) == b"to the end"


async def test_a_refusal_is_told_and_raised_at_both_ends() -> None:
    """Another owner: the hub's serve raises, the agent's serve raises, the carrier is closed."""
    rig = Rig()
    agent = rig.spawn(rig.agent.serve(rig.agent_end))
    hello = await receive_hello(rig.hub_end)
    with pytest.raises(LinkRefused):
        await rig.hub.serve(rig.hub_end, hello=hello, owner="ses_2")
    with pytest.raises(LinkRefused) as caught:
        await agent
    assert caught.value.code == "not_allowed"
    assert rig.agent.is_closed
    await rig.stop()


async def test_refuse_needs_no_link() -> None:
    """An endpoint can turn an agent away before it has looked for its link."""
    rig = Rig()
    agent = rig.spawn(rig.agent.serve(rig.agent_end))
    await refuse(rig.hub_end, "revoked", "The session's token was revoked.")
    with pytest.raises(LinkRefused) as caught:
        await agent
    assert caught.value.code == "revoked"
    await rig.stop()


async def test_receive_hello_gives_up() -> None:
    """A carrier that says nothing, something else, or goes away costs the hub nothing more."""
    one, other = carrier_pair()
    with pytest.raises(TimeoutError):
        await receive_hello(other, timeout_s=0.001)
    await one.send(frame(FrameType.PING, 0, bytes(8)))
    with pytest.raises(RemoteProtocolError):
        await receive_hello(other)
    await one.close()
    with pytest.raises(CarrierClosed):
        await receive_hello(other)


# --- carriers that come and go ---------------------------------------------------------------


async def test_a_hundred_lost_carriers_cost_no_byte() -> None:
    """Both directions of one long stream, the WebSocket killed 100 times, byte for byte equal."""
    rig = Rig()
    await rig.connect()
    rig.handler = echo
    size = 12_000_000
    body = pattern(5, 0, size)
    stream = await rig.hub.open(request(1, kind=StreamKind.RAW))
    writer = rig.spawn(stream.write(body))
    got = bytearray()
    cuts = 0
    while len(got) < size:
        got += await stream.read()
        if cuts < 100 and len(got) > cuts * size // 110:
            cuts += 1
            rig.agent_end.cut()
            await rig.connect()
    await writer
    await stream.write_end()
    assert await stream.read() == b""
    assert cuts == 100
    assert bytes(got) == body
    assert rig.hub_states.count(LinkState.DOWN) == 100
    await rig.stop()


async def test_a_newer_carrier_displaces_a_silent_one() -> None:
    """The hub has not noticed that the first is dead; the second takes over at once."""
    rig = Rig()
    await rig.connect()
    rig.handler = echo
    stream = await rig.ask(1, b"over the second")
    first_hub_end, first_run = rig.hub_end, rig.hub_run
    rig.agent_end.hold()
    # A black hole: whatever the agent does with its end, the hub's end hears nothing of it.
    rig.agent_end.peer = MemoryCarrier()
    assert rig.agent_run is not None
    rig.agent_run.cancel()
    await asyncio.wait([rig.agent_run])
    rig.agent_run = None
    await rig.connect()
    assert first_run is not None
    await first_run
    assert first_hub_end.close_code is not None
    assert await read_all(stream) == b"over the second"
    await rig.stop()


async def test_writing_goes_on_during_an_outage(rig: Rig) -> None:
    """A short outage is not seen by a writer within its credit, nor by a patient reader."""

    async def answer(stream: Stream) -> None:
        await stream.respond(OK)
        await until(lambda: not rig.agent.is_up)
        await stream.write(b"written while down")
        await stream.write_end()

    rig.handler = answer
    stream = await rig.ask()
    await stream.response()
    await rig.cut()
    for _ in range(10):
        await asyncio.sleep(0)
    await rig.connect()
    assert await read_all(stream) == b"written while down"


async def test_a_cancel_in_an_outage_arrives_with_the_next_carrier(rig: Rig) -> None:
    """A stop survives: the agent hears it as soon as it is back."""
    reasons: list[str] = []

    async def watch(stream: Stream) -> None:
        reasons.append(await stream.wait_cancelled())

    rig.handler = watch
    stream = await rig.ask()
    await until(lambda: bool(rig.agent.streams))
    await rig.cut()
    stream.cancel("stop")
    await rig.connect()
    await until(lambda: reasons == ["stop"])


async def test_the_end_of_grace_closes_the_hubs_link(rig: Rig) -> None:
    """After 60 s without a carrier the hub's readers get ResumeExpired and the link is over."""
    stream = await rig.ask()
    await rig.cut()
    rig.now += 59.9
    rig.hub.poll()
    assert not rig.hub.is_closed
    rig.now += 0.2
    rig.hub.poll()
    rig.agent.poll()
    with pytest.raises(ResumeExpired):
        await stream.response()
    assert rig.hub_states == [LinkState.UP, LinkState.DOWN, LinkState.CLOSED]
    assert not rig.agent.is_closed


async def test_a_silent_carrier_is_dropped(rig: Rig) -> None:
    """A black hole: after a ping and 20 s serve returns, and the link waits for the next one."""
    rig.agent_end.hold()
    rig.hub_end.hold()
    rig.now += 10
    rig.hub.poll()
    rig.now += 10
    rig.hub.poll()
    assert rig.hub_run is not None
    await rig.hub_run
    assert rig.hub.state is LinkState.DOWN
    assert rig.hub_end.close_code is not None


async def test_a_restarted_hub_takes_up_a_durable_answer(rig: Rig) -> None:
    """The new hub's callback gets the stream, and its bytes go on at the stored offset."""

    async def answer(stream: Stream) -> None:
        await stream.respond(OK)
        await stream.write(b"0123456789")
        await until(lambda: rig.hub.link_id == "lnk_2" and rig.agent.is_up)
        await stream.write(b"abcdef")
        await stream.write_end()

    rig.handler = answer
    stream = await rig.ask(1, durable=True)
    assert await stream.read() == b"0123456789"
    assert rig.hub_run is not None
    rig.hub_run.cancel()
    await asyncio.wait([rig.hub_run])
    rig.hub_run = None
    rig.hub = rig.new_hub("lnk_2")
    await rig.connect(adopt={"req_1": 4})
    assert rig.agent.is_fresh
    (adopted,) = rig.adopted
    assert adopted.request_id == "req_1"
    assert await adopted.response() == OK
    assert await read_all(adopted) == b"456789abcdef"
    adopted.release()
    await until(lambda: not rig.agent.streams and not rig.hub.streams)


async def test_a_foreign_error_of_a_carrier_is_not_swallowed() -> None:
    """Anything but CarrierClosed is a bug in the carrier and comes out of serve."""

    class Broken(MemoryCarrier):
        async def receive(self) -> bytes:
            raise KeyError("bug")

    rig = Rig()
    with pytest.raises(KeyError):
        await rig.agent.serve(Broken())
    assert rig.agent.state is LinkState.DOWN
    await rig.stop()
