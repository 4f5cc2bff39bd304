"""A provider's status, decided."""

import pytest

from underpass.core.states import ProviderStatus, TunnelStatus
from underpass.sessions.providers import next_status, read_readiness, status_reason
from underpass.sessions.room import Readiness

P, T = ProviderStatus, TunnelStatus


@pytest.mark.parametrize("old", list(P))
@pytest.mark.parametrize("said", [P.STARTING, P.LOADING, P.RUNNING, P.UNREACHABLE])
@pytest.mark.parametrize("tunnel", list(T))
def test_every_news_leads_to_a_legal_status(
    old: ProviderStatus, said: ProviderStatus, tunnel: TunnelStatus
) -> None:
    """No order of news is a move that the table does not have."""
    found = next_status(old, tunnel, Readiness(said))
    if tunnel in (T.STOPPED, T.CONNECTING):
        assert found is P.STOPPED
    elif tunnel is T.RUNNING and said in (P.LOADING, P.RUNNING):
        assert found is said


def test_a_server_that_ran_and_refuses_is_unreachable() -> None:
    """And one that never ran is starting."""
    assert next_status(P.RUNNING, T.RUNNING, Readiness("starting")) is P.UNREACHABLE
    assert next_status(P.STOPPED, T.RUNNING, Readiness("unreachable")) is P.STARTING
    assert next_status(P.STOPPED, T.RUNNING, None) is P.STARTING


def test_a_dropped_tunnel_makes_what_ran_unreachable_and_leaves_the_rest() -> None:
    """A model that was loading goes on loading for all we know."""
    assert next_status(P.RUNNING, T.RECONNECTING, None) is P.UNREACHABLE
    assert next_status(P.LOADING, T.RECONNECTING, None) is P.LOADING


def test_each_status_says_why_in_a_sentence() -> None:
    """Running needs none."""
    assert status_reason(T.RECONNECTING, None, "gpu-1", None).startswith("The tunnel from gpu-1")
    assert status_reason(T.STOPPED, None, None, "Its time was up.") == "Its time was up."
    assert "restart its session" in status_reason(T.STOPPED, None, None, None)
    assert status_reason(T.RUNNING, Readiness("running", "x"), None, None) == ""
    assert status_reason(T.RUNNING, Readiness("loading", "63 %"), None, None) == "63 %"


def test_what_an_agent_says_is_cut_to_sane_sizes() -> None:
    """A hostile agent fills no table: names, lists and sentences are bounded."""
    found = read_readiness(
        {
            "state": "running",
            "reason": "x" * 10_000,
            "server": {"kind": "y" * 1000, "version": 7},
            "models": [{"id": "m" * 10_000, "max_model_len": "many", "modalities": "no"}]
            + [{"id": ""}, 3, None]
            + [{"id": str(n)} for n in range(5000)],
        }
    )
    assert len(found.reason) == 500
    assert found.server == {"kind": "y" * 60, "version": "7"}
    assert len(found.models[0]["id"]) == 512
    assert found.models[0]["max_model_len"] is None
    assert len(found.models) <= 2000
    with pytest.raises(ValueError):
        read_readiness({"state": "melting"})


@pytest.mark.parametrize("models", [{"a": 1}, "abc", 5, True, None])
def test_models_that_are_no_list_are_none(models: object) -> None:
    """And news with them is still news."""
    assert read_readiness({"state": "running", "models": models}).models == ()


@pytest.mark.parametrize("window", [10**4000, -5, 0, True, 1.5, "8k"])
def test_a_window_that_cannot_be_is_not_known(window: object) -> None:
    """Such a number would keep the owner's whole list from being written as JSON."""
    (model,) = read_readiness(
        {"state": "running", "models": [{"id": "m", "max_model_len": window}]}
    ).models
    assert model["max_model_len"] is None
