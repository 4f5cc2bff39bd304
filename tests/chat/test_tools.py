"""Tool-call deltas become regular."""

from underpass.chat.pieces import Piece, PieceKind, tool_calls_of
from underpass.chat.tools import ToolCallIndexer


def calls(*events: object) -> list[tuple[str | None, str, str]]:
    """(id, name, arguments) of the calls that the events spell."""
    indexer = ToolCallIndexer()
    deltas = [delta for event in events for delta in indexer.take(event)]
    whole = tool_calls_of(Piece(PieceKind.TOOL, tool=delta) for delta in deltas)
    return [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in whole]


def test_with_index() -> None:
    """Two calls that come interleaved, as OpenAI sends them."""
    assert calls(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}],
        [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}],
        [{"index": 0, "function": {"arguments": "{}"}}],
        [{"index": 1, "function": {"arguments": "}"}}],
    ) == [("a", "f", "{}"), ("b", "g", "{}")]


def test_without_index_by_id() -> None:
    """A new id is a new call; a known one goes on."""
    assert calls(
        [{"id": "a", "function": {"name": "f", "arguments": "1"}}],
        [{"id": "b", "function": {"name": "g", "arguments": "2"}}],
        [{"id": "a", "function": {"arguments": "3"}}],
    ) == [("a", "f", "13"), ("b", "g", "2")]


def test_without_index_and_id() -> None:
    """What has no name goes on; a second name is a second call."""
    assert calls(
        [{"function": {"name": "f"}}],
        [{"function": {"arguments": "{}"}}],
        [{"function": {"name": "f", "arguments": "{}"}}],
    ) == [(None, "f", "{}"), (None, "f", "{}")]


def test_arguments_as_an_object() -> None:
    """Ollama's way: arguments are JSON, not text."""
    assert calls([{"function": {"name": "f", "arguments": {"a": "ü"}}}]) == [
        (None, "f", '{"a": "ü"}')
    ]


def test_old_function_call() -> None:
    """The one call of before there were tool calls."""
    assert calls({"name": "f", "arguments": "{"}, {"arguments": "}"}) == [(None, "f", "{}")]


def test_nonsense_is_left_out() -> None:
    """What is no object says nothing; odd values are dropped."""
    assert calls(["x", None, 3], [{"index": "0", "id": 5, "function": {"name": 7}}]) == [
        (None, "", "")
    ]
