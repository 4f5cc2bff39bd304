"""One running Underpass per worker for the scenarios that do not break it.

`stack` has three people (alice, who owns the tunnels; bob; root, an admin) and two tunnels of alice's:
`llama` to a real llama-server and `stub` to the numbered-bytes server. A scenario that stops, cuts or
fills something makes its own with `make_stack`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.rig.api import Api
from tests.rig.llama import LlamaServer
from tests.rig.stack import Person, Stack
from tests.rig.stub import StubProcess

HERE = Path(__file__).parent
MakeStack = Callable[..., Stack]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked, and has the time that real processes take."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@dataclass(frozen=True)
class World:
    """The shared Underpass, its people and its model servers."""

    stack: Stack
    alice: Person
    bob: Person
    root: Person
    llama: LlamaServer
    stub: StubProcess

    @property
    def hub(self) -> Api:
        """The hub, as alice's key sees it."""
        return self.stack.api(self.alice)

    @property
    def v1(self) -> str:
        return f"{self.stack.url}/v1"


@pytest.fixture(scope="session")
def stub_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubProcess]:
    """The numbered-bytes server as a process of its own."""
    stub = StubProcess(tmp_path_factory.mktemp("stub") / "stub.log")
    yield stub
    stub.stop()


@pytest.fixture(scope="session")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    llama_server: LlamaServer,
    stub_process: StubProcess,
) -> Iterator[World]:
    """The shared Underpass."""
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        root = stack.add_person("root", is_admin=True)
        alice, bob = stack.add_person("alice"), stack.add_person("bob")
        stack.start_tunnel(alice, str(llama_server.port), "llama")
        stack.open_tunnel(alice, str(stub_process.port), "stub")
        stack.wait_provider(alice, "llama", "running")
        yield World(stack, alice, bob, root, llama_server, stub_process)
    finally:
        stack.stop()


@dataclass(frozen=True)
class ChatPlace:
    """An Underpass for the chat's page alone: alice with two models of one stub server."""

    stack: Stack
    alice: Person
    stub: StubProcess


@pytest.fixture(scope="session")
def chat_place(
    tmp_path_factory: pytest.TempPathFactory, stub_process: StubProcess
) -> Iterator[ChatPlace]:
    """As `world`, for what needs no real model."""
    stack = Stack(tmp_path_factory.mktemp("chat"))
    try:
        alice = stack.add_person("alice")
        stack.start_tunnel(alice, str(stub_process.port), "second")
        stack.open_tunnel(alice, str(stub_process.port), "first")
        stack.wait_provider(alice, "second", "running")
        yield ChatPlace(stack, alice, stub_process)
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def near_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A hub of a file's own that may connect to this machine: for endpoints that people add."""
    allowed = {"UNDERPASS_ALLOWED_NETWORKS": "127.0.0.1"}
    stack = Stack(tmp_path_factory.mktemp("near"), hub_environment=allowed)
    yield stack
    stack.stop()


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[MakeStack]:
    """Makes a hub of the test's own; all are stopped at its end."""
    made: list[Stack] = []

    def make(**options: Any) -> Stack:
        folder = tmp_path / f"stack-{len(made)}"
        folder.mkdir()
        made.append(Stack(folder, **options))
        return made[-1]

    yield make
    for stack in made:
        stack.stop()
