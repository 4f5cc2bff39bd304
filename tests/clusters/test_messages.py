"""The verbs as JSON."""

import json

import pytest

from tests.clusters.conftest import order
from underpass.clusters import messages
from underpass.clusters.base import Capabilities, JobPhase, JobReport, Resources
from underpass.core.errors import LaunchRejected, SchedulerSilent
from underpass.core.states import EndReason


def test_records_survive_the_journey() -> None:
    """Through JSON and back they are equal."""
    made = order(env={"A": "b"}, files=("/m",), resources=Resources(gpus=1, time_s=60))
    assert messages.order_from_json(json.loads(json.dumps(messages.order_to_json(made)))) == made
    report = JobReport("t", "1", JobPhase.ENDED, "TIMEOUT", end_reason=EndReason.WALLTIME)
    through = json.loads(json.dumps(messages.report_to_json(report)))
    assert messages.report_from_json(through) == report
    offer = Capabilities("local", "h", "u", 4, ("nvidia0",), {"a": None})
    through = json.loads(json.dumps(messages.capabilities_to_json(offer)))
    assert messages.capabilities_from_json(through) == offer


def test_what_is_not_understood_is_refused_or_unknown() -> None:
    """An order that is none is refused; a report that is none is silence, never "ended"."""
    for strange in ({}, {"tag": "x", "command": [], "new_field": 1}):
        with pytest.raises(LaunchRejected):
            messages.order_from_json(strange)
    for odd in ({}, {"tag": "t", "job_id": "1", "phase": "melting", "raw_state": "X"}):
        with pytest.raises(SchedulerSilent):
            messages.report_from_json(odd)
