"""What Slurm prints → rows: recorded lines, other versions' oddities, and anything at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.clusters.slurm import text
from underpass.clusters.slurm.text import ROW_END, SEPARATOR, QueueRow


def _row(*fields: str) -> str:
    return SEPARATOR.join(fields) + ROW_END + "\n"


def test_the_queue() -> None:
    """Ids of arrays and heterogeneous jobs, nothing for nothing, times in UTC."""
    listed = _row("7", "PENDING", "Resources", "n/a", "2026-11-25T22:44:53", "box", "underpass:a.1")
    listed += _row("8_[1-3]", "RUNNING", "None", "node1", "N/A", "x", "(null)")
    assert text.queue(listed) == [
        QueueRow("7", "PENDING", "Resources", None, 1795646693.0, "box", "underpass:a.1"),
        QueueRow("8_[1-3]", "RUNNING", "", "node1", None, "x", "(null)"),
    ]


def test_a_newline_in_somebodys_name_moves_no_row() -> None:
    """Rows end with a mark of their own."""
    listed = _row("7", "RUNNING", "None", "n1", "N/A", "a\nb", "c\n9") + _row(*"8RSNTjk")
    assert [row.job_id for row in text.queue(listed)] == ["7", "8"]


def test_accounting() -> None:
    """Exit code and signal, the node, and lines of steps or of other shapes left out."""
    said = SEPARATOR.join(("7", "CANCELLED by 1000", "0:9", "n1", "None")) + "\n7.batch" + SEPARATOR
    (row,) = text.accounting(said)
    assert (row.state, row.exit_code, row.signal, row.host) == ("CANCELLED by 1000", 0, 9, "n1")


def test_the_controllers_line() -> None:
    """Values hold blanks and look like fields; the first of a name counts."""
    line = (
        "JobId=12 JobName=a b JobState=TIMEOUT Reason=TimeLimit ExitCode=0:15 "
        "StartTime=2026-11-25T22:44:53 BatchHost=n1 Comment=JobState=RUNNING x JobId=99"
    )
    row = text.job_of_controller(line)
    assert row is not None
    assert (row.job_id, row.name, row.state, row.host) == ("12", "a b", "TIMEOUT", "n1")
    assert text.job_of_controller("") is None
    assert text.job_of_controller("slurm_load_jobs error") is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("2-00:00:00", 172800),
        ("1-12", 129600),
        ("1:00:00", 3600),
        ("30:00", 1800),
        ("15", 900),
        ("infinite", None),
        ("n/a", None),
        ("", None),
        ("UNLIMITED", None),
    ],
)
def test_spans(said: str, seconds: int | None) -> None:
    """All forms that Slurm's manual lists."""
    assert text.span(said) == seconds


def test_partitions() -> None:
    """GPU types in the spellings of several versions; a default; numbers with a plus."""
    listed = [
        ("gpu*", "up", "2-00:00:00", "1:00:00", "10", "64+", "515000+", "gpu:a100:4(S:0-1),nvme:1"),
        ("cpu", "down", "infinite", "n/a", "3", "128", "1000", "(null)"),
        ("old", "up", "30:00", "n/a", "1", "8", "1", "gpu:2"),
        ("mig", "up", "30:00", "n/a", "1", "8", "1", "gpu:1g.10gb:7(S:0),gpu:h100:8"),
    ]
    found = text.partitions("\n".join(SEPARATOR.join(row) for row in listed) + "\nodd line\n")
    assert [one.gpus for one in found] == [
        (("a100", 4),),
        (),
        (("", 2),),
        (("1g.10gb", 7), ("h100", 8)),
    ]
    first = found[0]
    assert (first.name, first.is_default, first.cpus, first.memory_mb) == ("gpu", True, 64, 515000)
    assert [one.is_up for one in found[:2]] == [True, False]


@given(st.text())
def test_nothing_that_is_printed_breaks_a_parser(said: str) -> None:
    """Rows or no rows, never an exception."""
    text.queue(said)
    text.accounting(said)
    text.job_of_controller(said)
    text.partitions(said)
    text.span(said)
    text.moment(said)
