"""The multipart scanner finds the part `model`, wherever the bytes are cut."""

import itertools
from email.parser import BytesParser
from email.policy import HTTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.core.errors import InvalidRequest
from underpass.gateway.multipart import MultipartScanner

BOUNDARY = "----x7Gq"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(headers: str, content: bytes) -> bytes:
    """One part with its boundary before it."""
    return f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n"


def field(name: str, content: bytes) -> bytes:
    """A plain field."""
    return part(f'Content-Disposition: form-data; name="{name}"', content)


def file(content: bytes) -> bytes:
    """An audio file."""
    return part(
        'Content-Disposition: form-data; name="file"; filename="name=model.wav"\r\n'
        "Content-Type: audio/wav",
        content,
    )


END = f"--{BOUNDARY}--\r\n".encode()


def scanned(data: bytes, cuts: list[int], content_type: str = TYPE) -> MultipartScanner:
    """The scanner after all of `data`, cut at the given places."""
    scanner = MultipartScanner(content_type)
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(places):
        scanner.feed(data[start:end])
    scanner.finish()
    return scanner


# Contents that look like boundaries, or the beginning of one.
CONTENTS = st.lists(
    st.sampled_from([b"\r\n", b"--", b"-", BOUNDARY[:-1].encode(), b"a", b"\0", b'name="model"']),
    max_size=8,
).map(b"".join)


@given(
    CONTENTS,
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"),
        min_size=1,
        max_size=20,
    ),
    st.booleans(),
    st.lists(st.integers(0, 500), max_size=6) | st.just(list(range(500))),
)
def test_splicing_changes_the_model_and_nothing_else(
    content: bytes, model: str, is_file_first: bool, cuts: list[int]
) -> None:
    """The email parser agrees on the name, and sees one changed part after the splice."""
    parts = [file(content), field("model", model.encode())]
    data = b"".join(parts if is_file_first else parts[::-1]) + END
    scanner = scanned(data, cuts)
    assert scanner.model == model
    assert scanner.span is not None
    start, end = scanner.span
    spliced = data[:start] + MultipartScanner.encode("new/model") + data[end:]
    message = BytesParser(policy=HTTP).parsebytes(
        f"Content-Type: {TYPE}\r\n\r\n".encode() + spliced
    )
    found = {
        one.get_param("name", header="content-disposition"): one.get_payload(decode=True)
        for one in message.iter_parts()
    }
    assert found["model"] == b"new/model"
    assert data[:start].endswith(b'name="model"\r\n\r\n')
    assert data[end:].startswith(b"\r\n--" + BOUNDARY.encode())


def test_a_stream_is_asked_for_by_a_field() -> None:
    """`stream=true` as a form field counts as a request for a stream."""
    data = field("stream", b"true") + field("model", b"whisper") + END
    assert scanned(data, list(range(400))).is_stream
    assert not scanned(field("stream", b"false") + field("model", b"w") + END, []).is_stream


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "invalid_multipart"),
        (field("model", b"m"), "invalid_multipart"),
        (END, "model_missing"),
        (file(b"x") + END, "model_missing"),
        (field("model", b"m") * 2 + END, "model_invalid"),
        (field("model", b"") + END, "model_invalid"),
        (field("model", b"\xff") + END, "model_invalid"),
        (field("model", b"m" * 5000) + END, "model_invalid"),
        (
            part('Content-Disposition: form-data; name="model"; filename="m"', b"m") + END,
            "model_invalid",
        ),
        (
            part("Content-Disposition: form-data; name*=utf-8''model", b"m") + END,
            "invalid_multipart",
        ),
        (part('Content-Disposition: form-data;\r\n name="model"', b"m") + END, "invalid_multipart"),
        (f"--{BOUNDARY}junk\r\n\r\n\r\n".encode() + END, "invalid_multipart"),
        (f"--{BOUNDARY}\r\nX: ".encode() + b"y" * 20_000, "invalid_multipart"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, code: str) -> None:
    """Cut off, missing, twice, a file, readable in two ways: 400 with a stable code, at any cut."""
    for cuts in ([], list(range(len(data)))):
        with pytest.raises(InvalidRequest) as caught:
            scanned(data, cuts)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", 'multipart/form-data; boundary=""']
)
def test_a_boundary_is_needed(content_type: str) -> None:
    """Without a boundary nothing can be found."""
    with pytest.raises(InvalidRequest):
        MultipartScanner(content_type)


def test_a_quoted_boundary_and_a_preamble_are_read() -> None:
    """As RFC 2046 allows them."""
    data = b"preamble\r\n" + field("model", b"m") + END + b"epilogue"
    for cuts in ([], list(range(len(data)))):
        assert scanned(data, cuts, f'multipart/form-data; boundary="{BOUNDARY}"').model == "m"


def test_a_large_file_is_not_kept() -> None:
    """However much comes before the model, the scanner holds less than a boundary of it."""
    scanner = MultipartScanner(TYPE)
    scanner.feed(file(b"")[:-2])
    for _ in range(64):
        scanner.feed(b"x" * 65536)
        assert len(scanner._buffer) < 100
    scanner.feed(b"\r\n" + field("model", b"m") + END)
    scanner.finish()
    assert scanner.model == "m"
