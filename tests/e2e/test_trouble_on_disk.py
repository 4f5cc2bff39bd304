"""A disk that takes no more: the hub says so and keeps serving what it can."""

import resource

from tests.e2e.conftest import MakeStack
from tests.rig.processes import free_port
from tests.rig.stack import UNDERPASS, Stack
from tests.rig.stub import StubProcess
from tests.rig.waiting import eventually


def _allow_files_of(stack: Stack, size: int) -> None:
    """From now on no file of the hub may grow beyond `size`: what a full disk looks like to it."""
    resource.prlimit(stack.hub.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_is_told_and_models_go_on(
    make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """What must be stored is 503 `storage_unavailable`; models answer; room on the disk heals it."""
    stack = make_stack()
    alice = stack.add_person("alice")
    stack.open_tunnel(alice, str(stub_process.port), "box")
    api = stack.api(alice)
    assert api.get("/v1/models").status == 200
    _allow_files_of(stack, 1)
    refused = api.post("/api/keys", {"name": "one"})
    assert refused.status == 503
    assert refused.json()["code"] == "storage_unavailable"
    answer = api.post("/v1/chat/completions", {"model": "box/stub", "messages": []})
    assert answer.status == 200
    assert api.get("/api/providers").status == 200
    _allow_files_of(stack, resource.RLIM_INFINITY)
    eventually(
        lambda: api.post("/api/keys", {"name": "two"}).status == 201, 15, "the hub stores again"
    )
    assert stack.hub.is_alive


def test_a_data_folder_that_cannot_be_made_is_one_clear_line(make_stack: MakeStack) -> None:
    """A data folder below a file is refused at the start, by name."""
    stack = make_stack()
    (stack.folder / "file").write_text("in the way")
    data_dir = str(stack.folder / "file" / "data")
    done = stack.try_cli("hub", "--port", str(free_port()), "--data-dir", data_dir)
    assert done.returncode == 1
    assert data_dir in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert UNDERPASS


def test_a_port_in_use_is_one_clear_line(make_stack: MakeStack) -> None:
    """A second hub on the same port says which port, and ends."""
    stack = make_stack()
    done = stack.try_cli(
        "hub", "--port", str(stack.port), "--data-dir", str(stack.folder / "other")
    )
    assert done.returncode == 1
    assert str(stack.port) in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
