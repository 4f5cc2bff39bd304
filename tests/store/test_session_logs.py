"""Session logs in the store."""

import pytest

from underpass.store import SessionLogLine, SessionRecord, Store
from underpass.store.session_logs import MAX_LINE_CHARS


def _lines(*texts: str) -> list[SessionLogLine]:
    return [SessionLogLine(1.0, "stdout", text) for text in texts]


async def test_lines_can_be_read_from_either_end(store: Store, session: SessionRecord) -> None:
    """The tail for a page that opens, what follows a line for one that watches."""
    assert await store.session_logs.append(session.id, _lines("a", "b")) == 2
    assert await store.session_logs.append(session.id, []) == 2
    assert await store.session_logs.append(session.id, _lines("c")) == 3
    assert [line.text for line in await store.session_logs.tail(session.id, 2)] == ["b", "c"]
    after = await store.session_logs.after(session.id, 1)
    assert [(line.seq, line.text) for line in after] == [(2, "b"), (3, "c")]
    assert await store.session_logs.after(session.id, 3) == ()


async def test_old_lines_go_when_there_are_too_many(
    store: Store, session: SessionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers go on, so a reader notices what it missed."""
    monkeypatch.setattr("underpass.store.session_logs.MAX_LINES", 3)
    await store.session_logs.append(session.id, _lines("1", "2"))
    await store.session_logs.append(session.id, _lines("3", "4"))
    assert [line.seq for line in await store.session_logs.tail(session.id, 99)] == [2, 3, 4]


async def test_old_lines_go_when_they_are_too_large(
    store: Store, session: SessionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes count as UTF-8 with the line's end; the newest line always stays."""
    monkeypatch.setattr("underpass.store.session_logs.MAX_BYTES", 10)
    await store.session_logs.append(session.id, _lines("ä" * 3, "b" * 3))
    await store.session_logs.append(session.id, _lines("c" * 30))
    assert [line.text for line in await store.session_logs.tail(session.id, 9)] == ["c" * 30]


async def test_an_endless_line_is_cut(store: Store, session: SessionRecord) -> None:
    """A progress bar without line ends does not grow for ever."""
    await store.session_logs.append(session.id, _lines("x" * 100_000))
    (line,) = await store.session_logs.tail(session.id)
    assert len(line.text) == MAX_LINE_CHARS
    assert line.text.endswith("(cut)")
