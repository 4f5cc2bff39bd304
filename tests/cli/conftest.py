"""A hub with a model of alice's, and her shell."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.model import ScriptedModel, scripted_model
from tests.fakes.terminal import Terminal
from tests.hub.conftest import RunningHub, running_hub
from underpass.store import UserRecord


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    """A new hub with the usual settings."""
    async with running_hub(tmp_path / "data", log_level="error") as running:
        yield running


@pytest.fixture
async def alice(hub: RunningHub) -> UserRecord:
    """A user of the hub."""
    return await hub.user("alice")


@pytest.fixture
async def model(hub: RunningHub, alice: UserRecord) -> AsyncIterator[ScriptedModel]:
    """alice's model `gpu/m`, which says "You said: …"."""
    async with scripted_model(hub.services, alice) as model:
        yield model


@pytest.fixture
def terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """A shell that is signed in nowhere."""
    return Terminal(monkeypatch, capsys, tmp_path / "home")


@pytest.fixture
async def shell(terminal: Terminal, hub: RunningHub, alice: UserRecord) -> Terminal:
    """alice's shell, signed in by its environment."""
    terminal.sign_in(hub.url, await hub.key(alice))
    return terminal
