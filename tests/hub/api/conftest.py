"""What the tests of several resources need beside a hub."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.model import ScriptedModel, scripted_model
from tests.hub.conftest import RunningHub
from underpass.store import UserRecord


@pytest.fixture
async def model(hub: RunningHub, alice: UserRecord) -> AsyncIterator[ScriptedModel]:
    """alice's model `gpu/m`, which says "You said: …"."""
    async with scripted_model(hub.services, alice) as model:
        yield model
