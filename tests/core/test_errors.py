"""The error tree is what its drawing says, and errors carry what a person needs."""

import re

import pytest

from underpass.core import errors
from underpass.core.errors import AppError, Conflict, ModelLoading, StreamReset

ALL_ERRORS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, AppError)
]


def test_every_error_stands_in_the_drawing() -> None:
    """The tree at the top of the module names each class, once, and no other."""
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted(drawn) == sorted(kind.__name__ for kind in ALL_ERRORS if kind is not AppError)


def test_the_drawing_has_the_right_parents() -> None:
    """An error is drawn below its base class."""
    parents = {0: "AppError"}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│ ]*)[├└]── (\w+)", line):
            depth = len(found[1]) // 4 + 1
            base = getattr(errors, found[2]).__base__
            assert base.__name__ == parents[depth - 1], found[2]
            parents[depth] = found[2]


def test_the_status_in_the_drawing_is_the_class_s() -> None:
    """Where the drawing gives an HTTP status, the class has the same."""
    for name, status in re.findall(r"── (\w+) +(\d{3})", errors.__doc__ or ""):
        assert getattr(errors, name).http_status == int(status), name


@pytest.mark.parametrize("kind", ALL_ERRORS, ids=lambda kind: kind.__name__)
def test_codes_are_stable_words(kind: type[AppError]) -> None:
    """A code is lower-case with underscores: a program compares it."""
    assert re.fullmatch(r"[a-z][a-z_]*", kind.code)


def test_leaf_codes_differ() -> None:
    """No two leaves share a code, or a program could not tell them apart."""
    leaves = [kind for kind in ALL_ERRORS if not kind.__subclasses__()]
    shared = {"invalid_request"}  # InvalidRequest is its base class's plain case
    codes = [kind.code for kind in leaves if kind.code not in shared]
    assert len(codes) == len(set(codes))


def test_an_instance_may_name_its_own_code_and_fields() -> None:
    """A room gives a case its own code without a class of its own."""
    error = Conflict("No.", code="tunnel_not_shareable", hint="Share another.", candidates=["a"])
    assert (error.code, error.http_status, error.fields) == (
        "tunnel_not_shareable",
        409,
        {"candidates": ["a"]},
    )
    assert error.sentence() == "No. Share another."
    assert Conflict.code == "conflict"


def test_waiting_errors_say_how_long() -> None:
    """An error that passes by itself carries the seconds to wait."""
    assert ModelLoading("Loading.", retry_after_s=5).retry_after_s == 5
    assert ModelLoading.is_retryable


def test_a_reset_keeps_its_reason() -> None:
    """The reason of a reset is a word of its own, not part of a text."""
    assert StreamReset("client_gone").reason == "client_gone"
