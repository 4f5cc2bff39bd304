"""Fixtures: a hub's gateway over a real link, with the agent in the test's hands."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.gateway_hub import Hub, make_hub
from tests.fakes.linked import linked
from underpass.gateway.limits import GatewayLimits


@pytest.fixture
def limits() -> GatewayLimits:
    """Small numbers, so that tests reach them; a test module may override this."""
    return GatewayLimits(
        max_body_bytes=400_000, whole_body_bytes=50_000, calls_per_user=3, keepalive_s=0.06
    )


@pytest.fixture
async def hub(limits: GatewayLimits) -> AsyncIterator[Hub]:
    """A hub, its link up."""
    async with linked() as pair:
        yield await make_hub(pair, limits)
        assert repr(pair.hub).endswith(": 0>>"), f"streams are left: {pair.hub!r}"
