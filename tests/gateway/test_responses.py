"""Which provider holds a response: per user, bounded, found in what passes by."""

from hypothesis import given
from hypothesis import strategies as st

from underpass.gateway.responses import SNIFF_BYTES, Holder, IdSniffer, ResponseHolders

HERE = Holder("prv_1", "qwen")


def test_the_newest_of_each_user_are_kept() -> None:
    """Over the bound the oldest goes, and one user's many push nobody else's out."""
    holders = ResponseHolders(per_user=2)
    holders.remember("bob", "b", HERE)
    for name in ("1", "2", "1", "3"):
        holders.remember("ann", name, HERE)
    assert [holders.find("ann", name) for name in "123"] == [HERE, None, HERE]
    assert holders.find("bob", "b") == HERE
    assert holders.find("bob", "1") is None
    assert holders.find("eve", "1") is None


def test_the_number_of_users_is_bounded() -> None:
    """The user who was silent longest goes first."""
    holders = ResponseHolders(per_user=2, max_users=2)
    for user in ("ann", "bob", "ann", "eve"):
        holders.remember(user, "r", HERE)
    assert [bool(holders.find(user, "r")) for user in ("ann", "bob", "eve")] == [True, False, True]


@given(st.integers(1, 40), st.integers(0, 200))
def test_the_id_is_found_at_any_cut(size: int, before: int) -> None:
    """Streamed in any pieces, behind other members."""
    text = b'{"x": "' + b"y" * before + b'", "id": "resp_9.a-B", "output": [{"id": "msg"}]}'
    sniffer = IdSniffer()
    found = None
    for at in range(0, len(text), size):
        if not sniffer.is_done:
            found = sniffer.feed(text[at : at + size])
    assert found == "resp_9.a-B"


def test_it_does_not_look_for_ever() -> None:
    """Behind the bound the first id of any form counts, or none."""
    sniffer = IdSniffer()
    assert sniffer.feed(b'{"id": "x1"') is None
    assert sniffer.feed(b" " * SNIFF_BYTES) == "x1"
    assert sniffer.is_done
    sniffer = IdSniffer()
    assert sniffer.feed(b" " * SNIFF_BYTES) is None
    assert sniffer.finish() is None
