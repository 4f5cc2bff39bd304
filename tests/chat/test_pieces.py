"""Pieces keep their order and count their size."""

from underpass.chat.pieces import AnswerError, Piece, PieceKind, merge, tool_calls_of

TEXT, THOUGHT, TOOL = PieceKind.TEXT, PieceKind.REASONING, PieceKind.TOOL


def test_merge_joins_neighbours_only() -> None:
    """Neighbours of one kind become one piece; nothing changes places."""
    call = Piece(TOOL, tool={"index": 0, "function": {"name": "f"}})
    pieces = [Piece(THOUGHT, "a"), Piece(THOUGHT, "b"), Piece(TEXT, "c"), call, call]
    pieces += [Piece(TEXT, ""), Piece(TEXT, "d"), Piece(TEXT, "e"), Piece(THOUGHT, "f")]
    assert merge(pieces) == [
        Piece(THOUGHT, "ab"),
        Piece(TEXT, "c"),
        call,
        call,
        Piece(TEXT, "de"),
        Piece(THOUGHT, "f"),
    ]


def test_size() -> None:
    """Characters for text, one for a tool-call delta."""
    assert Piece(TEXT, "äö").size == 2
    assert Piece(TOOL, tool={}).size == 1
    assert Piece(TEXT, "abc").after(2) == Piece(TEXT, "c")


def test_tool_calls_in_order_of_index() -> None:
    """Calls come out by their index, whichever began first."""
    deltas = [{"index": 1, "function": {"name": "b"}}, {"index": 0, "function": {"name": "a"}}]
    found = tool_calls_of(Piece(TOOL, tool=delta) for delta in deltas)
    assert [call["function"]["name"] for call in found] == ["a", "b"]


def test_error_as_json() -> None:
    """Code, message and hint, as the API shows them."""
    assert AnswerError("c", "m").as_json() == {"code": "c", "message": "m", "hint": None}
