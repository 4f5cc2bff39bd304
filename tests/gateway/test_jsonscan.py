"""The scanner finds exactly what a JSON parser finds, wherever the bytes are cut."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.core.errors import InvalidRequest
from underpass.gateway import jsonscan
from underpass.gateway.jsonscan import JsonScanner

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["model", "stream", "a", ""]), inner, max_size=3)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["stream", "messages", "model ", "models", "", 'm"odel', "\\model"]
) | st.text(max_size=12).filter(lambda key: key.lower() != "model")
BLANKS = st.text(alphabet=" \t\r\n", max_size=3)


@st.composite
def documents(draw: st.DrawFn) -> tuple[bytes, str]:
    """A JSON object with one top-level `model`, written in any of the ways JSON allows."""
    model = draw(st.text(min_size=1, max_size=30))
    members = draw(st.lists(st.tuples(KEYS, VALUES), max_size=5))
    where = draw(st.integers(0, len(members)))
    members.insert(where, ("model", model))
    parts = []
    for number, (key, value) in enumerate(members):
        is_ascii = draw(st.booleans())
        name = json.dumps(key, ensure_ascii=is_ascii)
        if number == where and draw(st.booleans()):
            name = '"\\u006dode\\u006C"'
        text = json.dumps(value, ensure_ascii=is_ascii, indent=draw(st.sampled_from([None, 1])))
        parts.append(draw(BLANKS) + name + draw(BLANKS) + ":" + draw(BLANKS) + text + draw(BLANKS))
    text = draw(BLANKS) + "{" + ",".join(parts) + "}" + draw(BLANKS)
    bom = "\ufeff" if draw(st.booleans()) else ""
    return (bom + text).encode("utf-8", "surrogatepass"), model


def scanned(data: bytes, cuts: list[int] = []) -> JsonScanner:  # noqa: B006
    """The scanner after all of `data`, cut at the given places."""
    scanner = JsonScanner()
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(places):
        scanner.feed(data[start:end])
    scanner.finish()
    return scanner


def parsed(data: bytes) -> dict[str, Any]:
    """What Python's own parser makes of it."""
    found = json.loads(data.decode("utf-8-sig"))
    assert isinstance(found, dict)
    return found


@given(documents(), st.lists(st.integers(0, 10_000), max_size=8), st.text(min_size=1, max_size=20))
def test_splicing_changes_the_model_and_nothing_else(
    document: tuple[bytes, str], cuts: list[int], new: str
) -> None:
    """The name is the parser's; with another in its span, the parser sees that one change only."""
    data, model = document
    scanner = scanned(data, cuts)
    assert scanner.model == model
    assert scanner.span is not None
    start, end = scanner.span
    spliced = data[:start] + JsonScanner.encode(new) + data[end:]
    assert parsed(spliced) == parsed(data) | {"model": new}
    assert list(parsed(spliced)) == list(parsed(data))
    assert scanner.is_stream is (parsed(data).get("stream") is True)


@given(documents())
def test_every_cut_gives_the_same(document: tuple[bytes, str]) -> None:
    """One byte at a time is no different from all at once."""
    data, _ = document
    whole, pieces = scanned(data), scanned(data, list(range(len(data))))
    assert (whole.model, whole.span, whole.is_stream) == (
        pieces.model,
        pieces.span,
        pieces.is_stream,
    )


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\model 1truefals', max_size=60))
def test_whatever_it_takes_the_parser_reads_alike(data: bytes | str) -> None:
    """Of two readings of one body none can smuggle a model past the other."""
    raw = data.encode() if isinstance(data, str) else data
    try:
        scanner = scanned(raw)
    except InvalidRequest:
        return
    try:
        document = parsed(raw)
    except (ValueError, RecursionError):
        return  # the scanner judges less; the model server will refuse it
    assert document["model"] == scanner.model


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid_json"),
        ("   ", "invalid_json"),
        ("[]", "invalid_json"),
        ('"model"', "invalid_json"),
        ("{", "invalid_json"),
        ("{}", "model_missing"),
        ('{"messages": [{"model": "inner"}]}', "model_missing"),
        ('{"model": "a"', "invalid_json"),
        ('{"model": "a"} x', "invalid_json"),
        ('{"model": "a",}', "invalid_json"),
        ('{"model" "a"}', "invalid_json"),
        ('{model: "a"}', "invalid_json"),
        ('{"model": "a" "b": 1}', "invalid_json"),
        ('{"x": , "model": "a"}', "invalid_json"),
        ('{"model": "\\q"}', "invalid_json"),
        ('{"model": "a", "Model": "b"}', "model_invalid"),
        ('{"model": 3}', "model_invalid"),
        ('{"model": null}', "model_invalid"),
        ('{"model": ["a"]}', "model_invalid"),
        ('{"model": {"model": "a"}}', "model_invalid"),
        ('{"model": ""}', "model_invalid"),
        ('{"model": "a", "model": "a"}', "model_invalid"),
        ('{"model": "a", "\\u006dodel": "b"}', "model_invalid"),
        ('{"model": "' + "a" * 5000 + '"}', "model_invalid"),
    ],
)
def test_what_is_wrong_is_said(text: str, code: str) -> None:
    """Malformed, missing, no string, given twice: 400 with a stable code, at any cut."""
    for cuts in ([], list(range(len(text)))):
        with pytest.raises(InvalidRequest) as caught:
            scanned(text.encode(), cuts)
        assert caught.value.code == code
        assert caught.value.http_status == 400


def test_the_body_is_never_in_the_error() -> None:
    """What a user typed stays out of messages, which may be logged."""
    with pytest.raises(InvalidRequest) as caught:
        scanned(b'{"messages": "secret words" "more secret"')
    assert "secret" not in caught.value.sentence()


def test_escapes_and_a_mark_at_the_start_are_understood() -> None:
    """`\\"` ends no string, `\\\\` at a cut is no surprise, a BOM is tolerated."""
    data = b'\xef\xbb\xbf{"a\\\\": "x\\"model\\": 1", "model": "q\\u00e9\\"", "stream" : true }'
    for cuts in ([], list(range(len(data)))):
        scanner = scanned(data, cuts)
        assert scanner.model == 'qé"'
        assert scanner.is_stream


def test_megabytes_of_hostile_brackets_are_refused_and_strings_are_quick() -> None:
    """Brackets are counted against a bound; megabytes of text or backslashes cost next to none."""
    for filling in (b"a", b"\\\\", b'\\"'):
        data = b'{"x": "' + filling * 4_000_000 + b'", "model": "m"}'
        assert scanned(data, [1_000_003, 2_000_003]).model == "m"
    scanner = JsonScanner()
    scanner.feed(b'{"x": ')
    with pytest.raises(InvalidRequest):
        for _ in range(jsonscan.MAX_BRACKETS // 50_000 + 2):
            scanner.feed(b"[" * 50_000)
