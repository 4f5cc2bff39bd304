"""The log: positions, watchers that keep up, watchers that lag."""

import asyncio
import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from underpass.chat.log import LogEvent, RunLog, as_delta
from underpass.chat.pieces import Piece, PieceKind, merge

TEXT, THOUGHT, TOOL = PieceKind.TEXT, PieceKind.REASONING, PieceKind.TOOL
CALL = Piece(TOOL, tool={"index": 0, "function": {"name": "f"}})

pieces_of_any_kind = st.lists(
    st.one_of(
        st.builds(Piece, st.sampled_from([TEXT, THOUGHT]), st.text("abc", min_size=1, max_size=4)),
        st.just(CALL),
    ),
    max_size=12,
)


def letters(pieces: list[Piece]) -> list[tuple[PieceKind, str]]:
    """One entry per position."""
    found: list[tuple[PieceKind, str]] = []
    for piece in pieces:
        found += [(TOOL, "")] if piece.tool else [(piece.kind, letter) for letter in piece.text]
    return found


@given(pieces_of_any_kind, st.integers(0, 60), st.integers(0, 60))
def test_reading_after_any_position_gives_exactly_the_rest(
    pieces: list[Piece], after: int, compacted: int
) -> None:
    """Whatever the pieces were, and whichever of them were joined meanwhile."""
    log = RunLog("streaming")
    log.append(pieces)
    log.compact(compacted)
    assert log.position == len(letters(pieces))
    assert letters(log.read(after)) == letters(pieces)[after:]
    log.append([Piece(TEXT, "more")])
    assert letters(log.read(after)) == (letters(pieces) + letters([Piece(TEXT, "more")]))[after:]


def test_compact_joins_what_is_stored() -> None:
    """A long answer does not stay in memory token by token."""
    log = RunLog("streaming")
    for _ in range(1000):
        log.append([Piece(TEXT, "word ")])
    log.compact(2_500)
    assert len(log._pieces) == 501
    assert log.read(2_498) == [Piece(TEXT, ("word " * 1000)[2_498:])]


async def collect(log: RunLog, after: int = 0, **options: Any) -> list[LogEvent]:
    """All events of a watcher."""
    return [event async for event in log.watch(after, **options)]


async def test_a_watcher_that_keeps_up_gets_each_piece_at_once() -> None:
    """One delta per piece, each with its position, then the end with the message."""
    log = RunLog("streaming")
    watching = asyncio.create_task(collect(log))
    for piece in (Piece(THOUGHT, "hm"), Piece(TEXT, "a"), CALL, Piece(TEXT, "b")):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        log.append([piece])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    log.finish({"id": "msg_1"})
    assert await watching == [
        LogEvent("status", 0, {"status": "streaming"}),
        LogEvent("delta", 2, {"reasoning": "hm"}),
        LogEvent("delta", 3, {"text": "a"}),
        LogEvent("delta", 4, {"tool_calls": [CALL.tool]}),
        LogEvent("delta", 5, {"text": "b"}),
        LogEvent("end", 5, {"message": {"id": "msg_1"}}),
    ]


async def test_a_watcher_that_lags_gets_what_gathered() -> None:
    """While it is busy with one event the rest is joined, and then at most every 100 ms."""
    log = RunLog("streaming")
    log.append([Piece(TEXT, "0")])
    events: list[LogEvent] = []
    times: list[float] = []
    loop = asyncio.get_running_loop()
    async for event in log.watch(0, gather_s=0.05):
        events.append(event)
        times.append(loop.time())
        if event.name == "delta" and event.position < 10:
            log.append([Piece(TEXT, "1"), Piece(TEXT, "2")])
            log.append([Piece(TEXT, "3")])
        elif event.name == "delta":
            log.finish({})
    deltas = [event for event in events if event.name == "delta"]
    assert [event.data for event in deltas] == [{"text": "0"}, *[{"text": "123"}] * 3]
    gaps = [b - a for a, b in itertools.pairwise(times[1:5])]
    assert all(gap >= 0.045 for gap in gaps)


async def test_a_watcher_may_ask_for_what_gathers_meanwhile() -> None:
    """The first word comes at once, the next ones together and not sooner than asked for."""
    log = RunLog("streaming")
    loop = asyncio.get_running_loop()
    seen: list[tuple[float, str]] = []

    async def watch() -> None:
        async for event in log.watch(0, every_s=0.2):
            if event.name == "delta":
                seen.append((loop.time(), event.data["text"]))

    watching = asyncio.create_task(watch())
    for letter in "abcdef":
        log.append([Piece(TEXT, letter)])
        while not seen:
            await asyncio.sleep(0)
    began = seen[0][0]
    while len(seen) < 2:
        await asyncio.sleep(0.01)
    log.finish({})
    await watching
    assert [text for _, text in seen] == ["a", "bcdef"]
    assert seen[1][0] - began > 0.19


async def test_watchers_resume_anywhere_and_see_the_same() -> None:
    """One from the start, one from the middle, one that claims more than there is yet."""
    log = RunLog("streaming")
    log.append([Piece(TEXT, "abcdef")])
    watching = [asyncio.create_task(collect(log, after)) for after in (0, 4, 9)]
    await asyncio.sleep(0.01)
    log.append([Piece(TEXT, "ghijkl")])
    await asyncio.sleep(0.01)
    log.finish({})
    texts = [
        "".join(event.data.get("text", "") for event in events)
        for events in await asyncio.gather(*watching)
    ]
    assert texts == ["abcdefghijkl", "efghijkl", "jkl"]
    assert log.watchers == 0


async def test_positions_never_step_back() -> None:
    """A watcher whose Last-Event-ID is ahead keeps it, so nothing comes twice."""
    log = RunLog("streaming")
    log.append([Piece(TEXT, "abc")])
    log.finish({})
    assert [event.position for event in await collect(log, 7)] == [7, 7]


async def test_status_comes_first_and_on_each_change() -> None:
    """A late watcher gets the present status; a change is told; the same again is not."""
    log = RunLog("waiting")
    watching = asyncio.create_task(collect(log))
    await asyncio.sleep(0)
    log.set_status("waiting", reason="loading weights")
    await asyncio.sleep(0.01)
    log.set_status("waiting", reason="loading weights")
    log.set_status("streaming")
    await asyncio.sleep(0.01)
    log.finish({})
    told = [event.data for event in await watching if event.name == "status"]
    assert told == [
        {"status": "waiting"},
        {"status": "waiting", "reason": "loading weights"},
        {"status": "streaming"},
    ]


async def test_silence_is_kept_alive() -> None:
    """A watcher of a silent run gets a keep-alive, and nothing is lost by it."""
    log = RunLog("streaming")
    seen = []
    async for event in log.watch(0, keepalive_s=0.01):
        seen.append(event.name)
        if seen.count("keepalive") == 2 and "delta" not in seen:
            log.append([Piece(TEXT, "x")])
        if event.name == "delta":
            log.finish({})
    assert seen[:3] == ["status", "keepalive", "keepalive"]
    assert seen[-2:] == ["delta", "end"]


def test_delta_has_only_what_there_is() -> None:
    """Absent kinds are absent, not empty."""
    assert as_delta(merge([Piece(TEXT, "a"), Piece(TEXT, "b")])) == {"text": "ab"}
    assert as_delta([]) == {}
