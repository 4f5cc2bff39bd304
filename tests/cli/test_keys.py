"""`underpass keys`."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from tests.fakes.terminal import Terminal
from underpass.cli.keys import choose, expiry
from underpass.core.errors import NotFound

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_a_keys_life(shell: Terminal) -> None:
    """The secret alone on standard output; listed; revoked by its name."""
    made = await shell.run("keys", "create", "laptop", "--expires", "30d", "--model", "gpu/*")
    assert made.code == 0
    assert made.out.startswith("up_")
    assert made.out.count("\n") == 1
    assert made.out.strip() not in made.err
    listed = await shell.run("keys", "ls")
    assert "laptop" in listed.out
    assert made.out.strip() not in listed.out
    as_json = json.loads((await shell.run("keys", "ls", "--json")).out)
    assert as_json[0]["model_allow"] == ["gpu/*"]
    assert (await shell.run("keys", "revoke", "laptop")).code == 0
    again = await shell.run("keys", "revoke", "laptop")
    assert again.code == 1
    assert "You have no key 'laptop'" in again.err


async def test_a_scope_that_does_not_exist(shell: Terminal) -> None:
    """Wrong usage."""
    assert (await shell.run("keys", "create", "x", "--scope", "everything")).code == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12h", NOW + timedelta(hours=12)),
        ("30 d", NOW + timedelta(days=30)),
        ("4W", NOW + timedelta(weeks=4)),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T10:00+02:00", datetime(2027, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_times(text: str, found: datetime) -> None:
    """Spans and dates."""
    assert expiry(text, NOW) == found


@pytest.mark.parametrize("text", ["soon", "", "0d", "2020-01-01", "99999999w", "3y"])
def test_no_times(text: str) -> None:
    """What is no time, or is over already, is wrong usage."""
    with pytest.raises(typer.BadParameter):
        expiry(text, NOW)


def test_choosing() -> None:
    """By id, name or beginning; never a revoked one; not when several fit."""
    keys: list[dict[str, Any]] = [
        {"id": "key_1", "name": "a", "prefix": "up_aaaaaaa", "revoked_at": None},
        {"id": "key_2", "name": "a", "prefix": "up_bbbbbbb", "revoked_at": None},
        {"id": "key_3", "name": "c", "prefix": "up_ccccccc", "revoked_at": "2026"},
    ]
    assert choose(keys, "key_2")["id"] == "key_2"
    assert choose(keys, "up_aaaaaaa…")["id"] == "key_1"
    with pytest.raises(typer.BadParameter, match="key_1, key_2"):
        choose(keys, "a")
    with pytest.raises(NotFound):
        choose(keys, "c")
