"""The tables hold each status, their moves raise when illegal, and ends can be reached."""

from enum import StrEnum
from typing import Any

import pytest

from underpass.core import states
from underpass.core.errors import IllegalMove
from underpass.core.states import MessageStatus, ProviderStatus, SessionStatus, TunnelStatus

TABLES: dict[type[StrEnum], Any] = {
    SessionStatus: states.SESSION_MOVES,
    TunnelStatus: states.TUNNEL_MOVES,
    ProviderStatus: states.PROVIDER_MOVES,
    MessageStatus: states.MESSAGE_MOVES,
}


@pytest.mark.parametrize("noun", TABLES, ids=lambda noun: noun.__name__)
def test_a_table_knows_every_status(noun: type[StrEnum]) -> None:
    """A status without a row would raise KeyError on its first move."""
    assert set(TABLES[noun]) == set(noun)


@pytest.mark.parametrize("noun", TABLES, ids=lambda noun: noun.__name__)
def test_legal_moves_pass_and_all_others_raise(noun: type[StrEnum]) -> None:
    """The table is the whole truth."""
    for old in noun:
        for new in noun:
            if new is old or new in TABLES[noun][old]:
                assert states.move(TABLES[noun], old, new) is new
            else:
                with pytest.raises(IllegalMove, match=f"from '{old}' to '{new}'"):
                    states.move(TABLES[noun], old, new)


@pytest.mark.parametrize("old", sorted(set(SessionStatus) - states.SESSION_ENDS))
def test_a_session_can_fail_from_anywhere(old: SessionStatus) -> None:
    """Whatever a session is doing, its job may die."""
    assert SessionStatus.FAILED in states.SESSION_MOVES[old]


def test_the_names_are_spec_s() -> None:
    """SPEC §2 lists the statuses and the reasons."""
    assert list(SessionStatus) == ["queued", "starting", "running", "stopping", "stopped", "failed"]
    assert list(TunnelStatus) == ["connecting", "running", "reconnecting", "stopped"]
    assert list(ProviderStatus) == ["stopped", "starting", "loading", "running", "unreachable"]
    assert set(states.EndReason) == {
        "user", "walltime", "idle", "cancelled", "preempted", "out_of_memory", "node_failure",
        "server_exited", "agent_lost", "rejected",
    }  # fmt: skip


def test_only_a_running_provider_becomes_unreachable() -> None:
    """Unreachable means that it was running and fails now."""
    before = [
        old for old in ProviderStatus if ProviderStatus.UNREACHABLE in states.PROVIDER_MOVES[old]
    ]
    assert before == [ProviderStatus.RUNNING]


def test_a_diagram_is_drawn_from_the_table() -> None:
    """The docs show what the code does."""
    drawing = states.mermaid(states.TUNNEL_MOVES, TunnelStatus.CONNECTING)
    assert "[*] --> connecting" in drawing
    assert drawing.count("-->") == 1 + sum(len(new) for new in states.TUNNEL_MOVES.values())
