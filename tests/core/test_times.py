"""Times as machines and as people read them."""

import pytest

from underpass.core.times import in_words, iso


def test_iso_is_utc_with_milliseconds() -> None:
    """A program can parse and sort it."""
    assert iso(1_700_000_000.1234) == "2023-11-14T22:13:20.123Z"
    assert iso(None) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (-3, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3599, "59 min"), (3600, "1 h"),
        (11_520, "3 h 12 min"), (86_400, "1 d"), (190_800, "2 d 5 h"),
    ],
)  # fmt: skip
def test_spans_in_words(seconds: float, words: str) -> None:
    """The largest two units, as a person says it."""
    assert in_words(seconds) == words


def test_any_number_can_be_written() -> None:
    """One odd time in a table must not keep a list, or a hub that starts, from going on."""
    assert iso(float("nan")) is None
    assert iso(-5.0) == "1970-01-01T00:00:00.000Z"
    for much in (1e300, float("inf")):
        assert iso(much) == "9999-12-31T23:59:59.000Z"
