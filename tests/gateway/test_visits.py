"""Who is at the door: places, and what ends with the right that began it."""

from typing import Any, cast

import pytest

from tests.fakes.registry import ANN, BOB
from underpass.core.errors import NotAuthenticated, TooMany
from underpass.core.principal import Principal
from underpass.gateway.call import Call
from underpass.gateway.visits import Visits


class Closed:
    """A call that only notes why it was closed."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def close(self, reason: str, **_: Any) -> None:
        self.reasons.append(reason)


def admitted(visits: Visits, who: Principal, *, is_durable: bool = False) -> Closed:
    call = Closed()
    visits.enter(who, is_durable=is_durable).admit(cast("Call", call))
    return call


def test_places_are_taken_and_left() -> None:
    """One over the limit is refused, until one has left; users do not share places."""
    visits = Visits(2)
    first = visits.enter(ANN, is_durable=False)
    visits.enter(ANN, is_durable=True)
    with pytest.raises(TooMany, match="2 requests under way"):
        visits.enter(ANN, is_durable=False)
    visits.enter(BOB, is_durable=False)
    first.leave()
    visits.enter(ANN, is_durable=False)
    assert len(visits) == 3


def test_a_key_that_ends_ends_its_calls_and_no_runs() -> None:
    """Another key's calls, and the chat's runs, go on."""
    visits = Visits(9)
    lost = Principal(ANN.user_id, ANN.user_name, key_id="key_lost")
    kept = Principal(ANN.user_id, ANN.user_name, key_id="key_kept")
    call, run, other = (
        admitted(visits, lost),
        admitted(visits, lost, is_durable=True),
        admitted(visits, kept),
    )
    visits.end_of_key("key_lost", "key_revoked")
    assert (call.reasons, run.reasons, other.reasons) == (["key_revoked"], [], [])


def test_a_user_who_goes_takes_everything_along() -> None:
    """Runs too; nobody else's."""
    visits = Visits(9)
    call, run, other = (
        admitted(visits, ANN),
        admitted(visits, ANN, is_durable=True),
        admitted(visits, BOB),
    )
    visits.end_of_user(ANN.user_id, "user_disabled")
    assert (call.reasons, run.reasons, other.reasons) == (["user_disabled"], ["user_disabled"], [])


def test_a_visit_that_ended_before_its_call_was_made_is_not_admitted() -> None:
    """The body was still coming: the call is closed unsent."""
    visits = Visits(9)
    visit = visits.enter(ANN, is_durable=False)
    visits.end_of_user(ANN.user_id, "user_disabled")
    call = Closed()
    with pytest.raises(NotAuthenticated):
        visit.admit(cast("Call", call))
    assert call.reasons == ["signed_out"]
