"""Counts in memory."""

from underpass.gateway.usage import UsageBook


def test_one_count_per_user_and_provider() -> None:
    """The same object each time, to be changed in place."""
    book = UsageBook()
    book.of("ann", "p").requests += 1
    book.of("ann", "p").requests += 1
    book.of("bob", "p").requests += 1
    assert [(one.user_id, one.requests) for one in book.all()] == [("ann", 2), ("bob", 1)]


def test_it_is_bounded() -> None:
    """The pair that came first goes first."""
    book = UsageBook(max_pairs=2)
    for user in ("ann", "bob", "eve"):
        book.of(user, "p")
    assert [one.user_id for one in book.all()] == ["bob", "eve"]
