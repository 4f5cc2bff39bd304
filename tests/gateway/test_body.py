"""A body: read until its model is known, passed on with that one change, bounded all the way."""

import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.core.errors import InvalidRequest, TooLarge
from underpass.core.routes import ModelPlace
from underpass.gateway.body import Body, scanner_for
from underpass.gateway.limits import GatewayLimits

LIMITS = GatewayLimits(max_body_bytes=20_000, whole_body_bytes=1_000)


class Source:
    """A client that counts how much was taken from it."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.taken += 1
            yield piece


def body_of(
    *pieces: bytes, limits: GatewayLimits = LIMITS, declared: int | None = None
) -> tuple[Body, Source]:
    """A JSON body in pieces and its source."""
    source = Source(*pieces)
    scanner = scanner_for(ModelPlace.JSON_BODY, "application/json")
    return Body(aiter(source), scanner, limits, declared), source


async def passed(body: Body, model: str) -> bytes:
    """What goes on to the model server."""
    return b"".join([piece async for piece in body.chunks(model)])


async def test_a_small_body_is_read_and_checked_wholly() -> None:
    """Nothing is passed before all of it was parsed; its new length is known."""
    text = b'{"messages": [], "model": "gpu/qwen", "n": 1}'
    body, _ = body_of(text[:10], text[10:])
    await body.read_ahead()
    assert (body.model, body.is_stream, body.is_whole) == ("gpu/qwen", False, True)
    wanted = text.replace(b"gpu/qwen", b"qwen")
    assert body.passed_bytes("qwen") == len(wanted)
    assert await passed(body, "qwen") == wanted


async def test_the_callers_own_spelling_stays_if_the_name_does() -> None:
    """Where the server calls the model the same, not one byte changes, escapes included."""
    text = b'{"model": "q\\u0077en"}'
    body, _ = body_of(text)
    await body.read_ahead()
    assert body.passed_bytes("qwen") == len(text)
    assert await passed(body, "qwen") == text


@pytest.mark.parametrize(
    "text",
    [
        b'{"model": "m", "x": tru}',
        b'{"model": "m", "x": [1,]}',
        b'{"model": "m", "x": {"a" 1}}',
        b'{"model": "m", "x": "\xff"}',
        b'{"model": "m", "x": ' + b"[" * 400 + b"}" * 400 + b"}",
        '{"model": "m"}'.encode("utf-16"),
    ],
)
async def test_a_small_malformed_body_is_refused(text: bytes) -> None:
    """400 invalid_json before the model server hears of it, and no word of the body in it."""
    body, _ = body_of(text)
    with pytest.raises(InvalidRequest) as caught:
        await body.read_ahead()
    assert caught.value.code == "invalid_json"


async def test_a_body_nested_beyond_all_measure_is_refused() -> None:
    """A parser's recursion limit is no crash."""
    body, _ = body_of(
        b'{"model": "m", "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", limits=GatewayLimits()
    )
    with pytest.raises(InvalidRequest):
        await body.read_ahead()


async def test_a_large_body_flows_on_as_soon_as_its_model_is_known() -> None:
    """Of a body that says it is large, not one piece more is taken than the model needs."""
    pieces = [b'{"model": "a/m", "x": "', *[b"y" * 1000] * 10, b'"}']
    size = sum(map(len, pieces))
    body, source = body_of(*pieces, declared=size)
    await body.read_ahead()
    assert source.taken == 1
    assert not body.is_whole
    assert body.passed_bytes("m") == size - 2
    flowing = body.chunks("m")
    assert await anext(flowing) == b'{"model": "m", "x": "'
    assert await anext(flowing) == b"y" * 1000
    assert source.taken == 2
    await flowing.aclose()


async def test_a_late_model_waits_on_disk(tmp_path: Path) -> None:
    """What comes before the model is not kept in memory beyond the bound, and comes out intact."""
    limits = GatewayLimits(whole_body_bytes=1_000, spool_dir=str(tmp_path))
    text = b'{"x": "' + b"y" * 9_000 + b'", "model": "gpu/qwen", "stream": true, "z": 1}'
    pieces = [text[at : at + 700] for at in range(0, len(text), 700)]
    body, _ = body_of(*pieces, limits=limits)
    await body.read_ahead()
    assert body._held.is_on_disk
    assert await passed(body, "qwen") == text.replace(b"gpu/qwen", b"qwen")
    assert body.is_stream
    body.close()


@given(
    st.integers(0, 3000),
    st.integers(0, 3000),
    st.lists(st.integers(1, 3500), max_size=6),
    st.text(min_size=1, max_size=9),
    st.booleans(),
)
async def test_any_cut_of_any_size_changes_only_the_name(
    before: int, after: int, cuts: list[int], new: str, is_declared: bool
) -> None:
    """In memory, spooled or flowing: the server gets the same bytes with one other name."""
    text = b'{"a": "%s", "model": "o:p/m", "b": "%s"}' % (b"x" * before, b"y" * after)
    places = sorted({cut for cut in cuts if cut < len(text)} | {0, len(text)})
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    body, _ = body_of(*pieces, declared=len(text) if is_declared else None)
    await body.read_ahead()
    wanted = text.replace(b'"o:p/m"', json.dumps(new, ensure_ascii=False).encode())
    assert body.passed_bytes(new) in (len(wanted), None if not is_declared else len(wanted))
    assert await passed(body, new) == wanted


async def test_too_large_is_refused_before_and_while_it_flows() -> None:
    """By its declared length at once; without one as soon as the limit is passed."""
    body, source = body_of(b"{", declared=20_001)
    with pytest.raises(TooLarge):
        await body.read_ahead()
    assert source.taken == 0
    body, source = body_of(b'{"x": "', *[b"y" * 1000] * 30)
    with pytest.raises(TooLarge):
        await body.read_ahead()
    assert source.taken == 21
    body.close()
    body, _ = body_of(b'{"model": "m", "x": "', *[b"y" * 1000] * 30)
    await body.read_ahead()
    with pytest.raises(TooLarge) as caught:
        await passed(body, "m")
    assert "20000 bytes" in caught.value.message


@pytest.mark.parametrize("end", [b'"', b'", "model": "other"}', b'"} {', b'", "x": "a" "b"}'])
async def test_what_turns_out_bad_later_is_refused_while_it_flows(end: bytes) -> None:
    """A second model, or a body that is cut off: found although the beginning is gone already."""
    body, _ = body_of(b'{"model": "m", "x": "', *[b"y" * 1000] * 3, end)
    await body.read_ahead()
    assert not body.is_whole
    with pytest.raises(InvalidRequest):
        await passed(body, "m")


@pytest.mark.parametrize(
    ("place", "content_type"),
    [
        (ModelPlace.JSON_BODY, "text/plain"),
        (ModelPlace.JSON_BODY, "application/x-www-form-urlencoded"),
        (ModelPlace.JSON_BODY, "multipart/form-data; boundary=x"),
        (ModelPlace.MULTIPART_BODY, "application/json"),
        (ModelPlace.MULTIPART_BODY, ""),
    ],
)
def test_a_wrong_content_type_says_the_right_one(place: ModelPlace, content_type: str) -> None:
    """400 content_type, with the header to send."""
    with pytest.raises(InvalidRequest) as caught:
        scanner_for(place, content_type)
    assert caught.value.code == "content_type"
    assert "Content-Type: " in caught.value.sentence()


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", "", "application/x+json"],
)
def test_json_under_its_usual_names_is_taken(content_type: str) -> None:
    """Also without any content type, as simple programs send it."""
    assert scanner_for(ModelPlace.JSON_BODY, content_type)
