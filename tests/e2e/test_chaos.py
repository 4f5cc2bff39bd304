"""A minute of `make chaos` and seconds of `make fuzz`: the same code, with little of everything."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.__main__ import FAULTS
from chaos.faults import Fault
from chaos.report import HEADER, as_markdown, as_page, trouble_of
from chaos.tally import Events, Numbered, Row
from chaos.world import Plan
from tests.fakes.stub_http import numbered_bytes
from tests.fakes.stub_server import sse_event
from tests.rig.needs import cannot_here

SEED = "short"
ROOT = Path(__file__).parents[2]
CUTS = 60
OTHERS = {"hub-killed": 1, "server-lengths": 1, "client-gone": 40}


def fault(name: str) -> Fault:
    """The fault of that name."""
    return next(one for one in FAULTS if one.name == name)


def run(one: Fault, times: int, folder: Path) -> Row:
    """Runs it with few links."""
    if reason := one.why_not():
        cannot_here(reason)
    row = Row(one.title)
    plan = Plan(SEED, folder, links=4, seconds=25)
    asyncio.run(one.run(plan, row, times))
    return row


@pytest.mark.timeout(120)
def test_the_connection_breaks_again_and_again(tmp_path: Path) -> None:
    """Each way in which a connection breaks: no byte lost or doubled, in either direction."""
    row = run(fault("mixed"), CUTS, tmp_path)
    assert row.is_clean, row
    assert row.times >= CUTS / 2
    assert row.bytes > 100_000


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", OTHERS)
def test_processes_break(name: str, tmp_path: Path) -> None:
    """Hub, model server and clients fail."""
    row = run(fault(name), OTHERS[name], tmp_path)
    assert row.is_clean, row
    assert row.times >= 1


@pytest.mark.timeout(120)
def test_packets_vanish() -> None:
    """The command, with a real blackhole between two namespaces: TCP goes on, and so do streams."""
    if reason := fault("blackhole-1").why_not():
        cannot_here(reason)
    command = [sys.executable, "-m", "chaos", "--faults", "blackhole-1", "--times", "4"]
    done = subprocess.run(
        [*command, "--seed", SEED], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"--seed {SEED}" in done.stdout
    cells = [cell.strip() for cell in done.stdout.splitlines()[-1].split("|")]
    assert cells[2] == "4", done.stdout
    assert float(cells[8]) > 0.9, done.stdout


def test_a_lost_and_a_doubled_byte_are_found() -> None:
    """The harness would see it: bytes that are missing, twice there, or damaged."""
    good, lost, doubled = Row("good"), Row("lost"), Row("doubled")
    text = numbered_bytes(0, 10_000)
    Numbered(good).feed(text)
    missing = Numbered(lost)
    missing.feed(text[:1000] + text[1100:])
    missing.feed(text[10_000:])
    again = Numbered(doubled)
    again.feed(text[:2000])
    again.feed(text[1500:])
    assert good.is_clean
    assert lost.lost > 0
    assert doubled.doubled == 500


def test_a_lost_and_a_doubled_event_are_found() -> None:
    """The same for a stream of events, its end included."""

    def check(*numbers: int, end: bool = True) -> tuple[Row, bool]:
        row = Row("x")
        events = Events(row, 3, 400)
        events.feed(b"".join(sse_event(number, 400) for number in numbers))
        events.feed(b": a comment\n\n" + (b"data: [DONE]\n\n" if end else b""))
        return row, events.finish()

    assert check(0, 1, 2)[1]
    assert check(0, 1, 2)[0].is_clean
    assert check(0, 2)[0].lost == 400
    assert check(0, 1, 1, 2)[0].doubled == 400
    assert check(0, 1)[0].lost == 400
    assert not check(0, 1, 2, end=False)[1]


def test_the_table_and_the_page_tell_all() -> None:
    """What went wrong stands in both, as it is."""
    good, bad = Row("a fault", times=3, streams=2, bytes=1000), Row("another", lost=7)
    bad.expect(False, "it broke | so")
    table = as_markdown([good, bad])
    assert table.splitlines()[0].count("|") == len(HEADER) + 1
    assert "another" in table
    assert trouble_of([good, bad]) == ["another: it broke | so"]
    page = as_page([good, bad], ["make chaos  # seed s33d"])
    assert "s33d" in page
    assert "- another: it broke" in page
    assert "Nothing went wrong." in as_page([good], ["make chaos"])


def test_every_fault_has_a_name_of_its_own() -> None:
    """`--faults` chooses by name."""
    names = [one.name for one in FAULTS]
    assert len(names) == len(set(names))
    assert set(OTHERS) <= set(names)
