"""The tree of a chat's messages."""

from underpass.chat.tree import below, branch_to, head_of, head_without, newest_leaf
from underpass.store import MessageRecord


def tree(**parents: str | None) -> list[MessageRecord]:
    """Messages by id, oldest first, each with its parent."""
    return [
        MessageRecord(id=name, chat_id="c", role="user", created_at=float(n), parent_id=parent)
        for n, (name, parent) in enumerate(parents.items())
    ]


# q1 ─ a1 ─ q2 ─ a2
#    └ b1      └ b2
# z1 (another beginning)
TREE = tree(q1=None, a1="q1", q2="a1", a2="q2", b2="q2", z1=None, b1="q1")


def ids(messages: list[MessageRecord]) -> list[str]:
    """Only the ids."""
    return [message.id for message in messages]


def test_a_branch_leads_from_the_root() -> None:
    """To the leaf, and is empty for none and for one that is not there."""
    assert ids(branch_to(TREE, "b2")) == ["q1", "a1", "q2", "b2"]
    assert branch_to(TREE, None) == branch_to(TREE, "x") == []


def test_what_is_below_a_message() -> None:
    """Itself and everything under it, parents first."""
    assert below(TREE, "a1") == ["a1", "q2", "a2", "b2"]
    assert below(TREE, "z1") == ["z1"]


def test_the_newest_leaf() -> None:
    """Of all, or under one message."""
    assert newest_leaf(TREE) is TREE[-1]
    leaf = newest_leaf(TREE, "a1")
    assert leaf is not None
    assert leaf.id == "b2"
    assert newest_leaf([]) is None


def test_the_head_is_the_end_of_the_branch_that_was_shown() -> None:
    """Also when somebody wrote on below it; the newest leaf where the head is gone."""
    for head_id, expected in (("a2", "a2"), ("a1", "b2"), ("x", "b1"), (None, "b1")):
        head = head_of(TREE, head_id)
        assert head is not None
        assert head.id == expected


def test_the_head_after_a_deletion() -> None:
    """It stays where it can; else a sibling, the parent, or what is newest at all."""
    gone = {message.id: message for message in TREE}

    def left(*names: str) -> list[MessageRecord]:
        return [message for message in TREE if message.id not in names]

    assert head_without(left("b2"), gone["b2"], "a2") == "a2"
    assert head_without(left("b2"), gone["b2"], "b2") == "a2"
    assert head_without(left("a2", "b2"), gone["a2"], "a2") == "q2"
    assert head_without(left("z1"), gone["z1"], "z1") == "b1"
    assert head_without([], gone["z1"], "z1") is None


def test_a_damaged_tree_ends_nobody() -> None:
    """Circles and parents that are gone."""
    circle = tree(a="b", b="a", c="gone")
    assert ids(branch_to(circle, "a")) == ["b", "a"]
    assert sorted(below(circle, "a")) == ["a", "b"]
    assert ids(branch_to(circle, "c")) == ["c"]
