"""The manual, cut into passages."""

from underpass.demo.pages import cut, read_manual


def test_each_heading_is_a_passage_and_hand_wrapped_lines_are_joined() -> None:
    """A paragraph becomes one line; list items stay lines of their own."""
    found = cut("# Page\n\nOne\ntwo.\n\n## Part\n\n- a\n  b\n- c\n")
    assert [(p.page, p.heading, p.text) for p in found] == [
        ("Page", "Page", "One two."),
        ("Page", "Part", "- a b\n- c"),
    ]
    assert [p.name for p in found] == ["Page", "Page: Part"]


def test_the_package_carries_the_manual() -> None:
    """The pages are found as package data, the overview first."""
    passages = read_manual()
    assert passages[0].page == "What Underpass is"
    assert len({p.page for p in passages}) >= 9
