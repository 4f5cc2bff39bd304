"""Ids sort by time, secrets are long and stored as hashes, codes can be read aloud."""

import re
import time

from underpass.core import ids


def test_ids_are_unique_and_sort_by_time() -> None:
    """Ids made later sort later, so a list by id is a list by age."""
    first = ids.new_id("ses")
    before = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == before:
        pass
    assert first < ids.new_id("ses")
    assert len({ids.new_id("ses") for _ in range(2000)}) == 2000


def test_an_id_shows_its_kind() -> None:
    """The prefix says what the id names; the rest is of fixed length."""
    assert re.fullmatch(r"tun_[0-9a-hjkmnp-tv-z]{20}", ids.new_id("tun"))


def test_a_secret_has_256_bits_and_its_prefix() -> None:
    """43 characters of base64 carry 256 bits."""
    secret = ids.new_secret("up_")
    assert re.fullmatch(r"up_[A-Za-z0-9_-]{43}", secret)
    assert secret != ids.new_secret("up_")


def test_the_hash_does_not_hold_the_secret() -> None:
    """What is stored is 64 hex digits, the same each time."""
    secret = ids.new_secret("up_")
    assert re.fullmatch(r"[0-9a-f]{64}", ids.hash_secret(secret))
    assert ids.hash_secret(secret) == ids.hash_secret(secret)
    assert secret not in ids.hash_secret(secret)


def test_a_short_code_has_no_look_alikes() -> None:
    """No vowel and none of 0 O 1 I L: it is read on one screen and typed on another."""
    for _ in range(200):
        assert re.fullmatch(
            r"[BCDFGHJKMNPQRSTVWXZ2-9]{4}-[BCDFGHJKMNPQRSTVWXZ2-9]{4}", ids.short_code()
        )
