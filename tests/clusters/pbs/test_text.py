"""What PBS prints, read tolerantly."""

import pytest

from underpass.clusters.pbs.text import jobs, memory_mb, moment, nodes, queues, span


def test_odd_documents_are_no_rows() -> None:
    """Whatever a site's wrapper prints."""
    for text in (
        "",
        "[]",
        "{",
        '{"Jobs": 3}',
        '{"Jobs": {"1.x": 2}}',
        "\x00",
        '{"nodes": {"a": 1}}',
    ):
        assert jobs(text) == []
        assert queues(text) == []
        assert nodes(text) == []


def test_variables_as_a_text() -> None:
    """As older versions write them; a tag that is none is left out."""
    for said, tag in (
        ("A=b,UNDERPASS_JOB=ses_abc.2,C=d", "ses_abc.2"),
        ("UNDERPASS_JOB=$(x)", None),
    ):
        (row,) = jobs(f"Job Id: 7.s\n    job_state = Q\n    Variable_List = {said}\n")
        assert (row.job_id, row.tag) == ("7.s", tag)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("48:00:00", 172800), ("30:00", 1800), ("60", 60), ("", None), ("a", None)],
)
def test_spans(text: str, seconds: int | None) -> None:
    """Hours, minutes and seconds, or seconds alone."""
    assert span(text) == seconds


def test_amounts_and_moments() -> None:
    """Kilobytes and the like; ctime's form in UTC."""
    assert [memory_mb(t) for t in ("1048576kb", "64gb", "lots")] == [1024, 65536, 0]
    assert moment("Fri Nov 20 09:00:00 2026") == 1795165200
    assert moment(17) == 17
    assert moment("soon") is None
