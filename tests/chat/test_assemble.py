"""Answers are understood as servers really send them, however their bytes are cut."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.answers import CORPUS, DONE, Answered, delta, event
from underpass.chat.assemble import Assembler, read_error
from underpass.chat.pieces import Piece, PieceKind, merge, tool_calls_of
from underpass.core.errors import ProviderError
from underpass.core.sse import MAX_EVENT_BYTES


def assemble(parts: list[bytes]) -> tuple[Assembler, list[Piece]]:
    """The assembler after all parts, and their pieces."""
    assembler = Assembler()
    pieces = [piece for part in parts for piece in assembler.feed(part)]
    return assembler, merge([*pieces, *assembler.finish()])


def text_of(pieces: list[Piece], kind: PieceKind) -> str:
    """The text of one kind."""
    return "".join(piece.text for piece in pieces if piece.kind is kind)


def check(parts: list[bytes], expected: Answered) -> None:
    """Compares everything that an answer says."""
    assembler, pieces = assemble(parts)
    calls = [call["function"] for call in tool_calls_of(pieces)]
    error = assembler.error
    assert (
        Answered(
            body=expected.body,
            text=text_of(pieces, PieceKind.TEXT),
            reasoning=text_of(pieces, PieceKind.REASONING),
            finish=assembler.finish_reason,
            calls=[(call["name"], call["arguments"]) for call in calls],
            usage=assembler.usage,
            error=f"{error.code}: {error.message}" if error else None,
            is_done=assembler.is_done,
            bad_events=assembler.bad_events,
        )
        == expected
    )
    for piece in pieces:
        piece.text.encode()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (["half an answer", " is here"], " answer is here"),  # llama.cpp's echo, in its first piece
        ([" answer", " half an"], " answer half an"),
        (["half an", "half an answer"], "half anhalf an answer"),  # the model's own words
        (["", "half an end"], " end"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_a_server_was_given_is_not_its_answer(said: list[str], kept: str, size: int) -> None:
    """A server that goes on with a text may repeat it first; the text is not doubled."""
    body = b"".join(delta(content=text) for text in said) + DONE
    assembler = Assembler("half an")
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    pieces = [piece for part in parts for piece in assembler.feed(part)]
    assert text_of([*pieces, *assembler.finish()], PieceKind.TEXT) == kept


@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("size", [None, 1, 5, 64])
def test_corpus(name: str, size: int | None) -> None:
    """Whole, byte by byte, in 5-byte pieces and in 64-byte pieces: the same answer."""
    answer = CORPUS[name]
    step = size or max(1, len(answer.body))
    check([answer.body[at : at + step] for at in range(0, len(answer.body), step)], answer)


@given(name=st.sampled_from(sorted(CORPUS)), data=st.data())
def test_split_points_do_not_matter(name: str, data: st.DataObject) -> None:
    """Any split of the bytes gives the same pieces in the same order."""
    body = CORPUS[name].body
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=10))
    edges = [0, *sorted(cuts), len(body)]
    _, pieces = assemble([body[a:b] for a, b in itertools.pairwise(edges)])
    assert pieces == assemble([body])[1]


@given(st.binary(max_size=400))
def test_no_bytes_are_too_strange(junk: bytes) -> None:
    """Whatever comes, nothing is raised, and what was said before stays."""
    _, pieces = assemble([delta(content="kept"), b"\n\n", junk])
    assert text_of(pieces, PieceKind.TEXT).startswith("kept")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "choices",
                        "delta",
                        "message",
                        "content",
                        "tool_calls",
                        "function",
                        "index",
                        "error",
                        "usage",
                        "text",
                        "type",
                        "thinking",
                        "reasoning",
                        "id",
                        "name",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_document_is_too_strange(document: object) -> None:
    """Any JSON in an event's data is taken without a fault."""
    assemble([event(document), DONE])


def test_text_comes_as_soon_as_its_event_is_there() -> None:
    """Nothing waits for the next event."""
    assembler = Assembler()
    assert assembler.feed(delta(content="now")) == [Piece(PieceKind.TEXT, "now")]
    assert assembler.feed(delta(content=" and")[:-1]) == []
    assert assembler.feed(b"\n") == [Piece(PieceKind.TEXT, " and")]


def test_llama_cpp_timings_and_model() -> None:
    """The server's own numbers and its name of the model are kept."""
    timings = {"predicted_per_second": 118.4}
    assembler, _ = assemble([event({"model": "tiny", "choices": [], "timings": timings}), DONE])
    assert assembler.server_timings == timings
    assert assembler.model == "tiny"


def test_a_document_without_end_is_refused() -> None:
    """A JSON answer that never ends does not fill the memory."""
    assembler = Assembler()
    with pytest.raises(ProviderError):
        assembler.feed(b"{" + b" " * (MAX_EVENT_BYTES + 1))


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        ({"error": {"message": "m", "code": "c"}}, "c", "m"),
        ({"error": {"message": "m", "code": 400, "type": "T"}}, "T", "m"),
        ({"error": {"message": {"a": 1}}}, "upstream_error", '{"a": 1}'),
        ({"detail": [{"loc": ["body"]}]}, "upstream_error", '[{"loc": ["body"]}]'),
        (
            {"error": {"code": "not a word!"}},
            "upstream_error",
            "The model server reported an error without a message.",
        ),
    ],
)
def test_errors_of_all_shapes(document: dict[str, object], code: str, message: str) -> None:
    """A code that is a word, and a sentence, whatever the shape."""
    error = read_error(document)
    assert error is not None
    assert (error.code, error.message) == (code, message)


def test_a_long_error_is_cut() -> None:
    """An error's message is a sentence, not a document."""
    error = read_error(json.loads(json.dumps({"error": "x" * 9_999})))
    assert error is not None
    assert len(error.message) == 2_000


def test_what_is_no_error() -> None:
    """An empty or null `error` beside an answer is none."""
    assert read_error({"error": None, "choices": []}) is None
    assert read_error({"error": {}, "choices": []}) is None
