"""The shape of the house: who may import whom, and how large a room may grow.

The table is DESIGN's: imports point down only, and rooms on one line do not know each other.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "underpass"

# Room → the rooms it may import. `core` is open to all; a room may always import itself.
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "config": set(),
    "manual": set(),
    "tools": set(),
    "tunnel.protocol": set(),
    "tunnel": {"tunnel.protocol"},
    "store": set(),
    "clusters": {"tunnel"},
    "registry": {"tunnel"},
    "gateway": {"registry", "clusters", "store", "tunnel"},
    "sessions": {"registry", "clusters", "store", "tunnel"},
    "providers": {"registry", "store", "tunnel"},
    "chat": {"gateway", "sessions", "registry", "clusters", "store", "tunnel"},
    "demo": {"manual"},
    # The two that start a link also make the protocol object that it drives.
    "agent": {"config", "clusters", "tunnel", "tunnel.protocol"},
    "hub": {
        *{"chat", "gateway", "sessions", "providers", "registry", "clusters", "store", "tunnel"},
        *{"tunnel.protocol", "config", "manual", "tools"},
    },
    "cli": {
        *{"hub", "agent", "demo", "store", "clusters", "sessions", "tunnel", "config", "manual"},
        "tools",
    },
}

# What the base install does not have: only the rooms of the hub may need it.
HUB_ONLY_PACKAGES = {
    *{"sqlalchemy", "alembic", "aiosqlite", "asyncpg", "fastapi", "starlette", "uvicorn"},
    *{"argon2", "prometheus_client", "structlog", "uvloop", "httptools", "cryptography"},
    *{"pydantic", "pydantic_settings", "authlib", "joserfc", "segno"},
}
# The hub's settings, which nobody loads but a hub.
OF_A_HUB = {
    *{"underpass.config.hub", "underpass.config.openid", "underpass.config.reference"},
    "underpass.config.in_force",
}
BASE_ROOMS = {
    *{"core", "config", "tunnel", "tunnel.protocol", "clusters", "agent", "demo", "manual"},
    "tools",
}

# The protocol's core decides and never acts: time, chance and the network are handed in.
IMPURE_MODULES = {"asyncio", "socket", "ssl", "time", "random", "secrets", "os", "threading"}

MAX_FILE_LINES = 600
MAX_TEST_FILE_LINES = 800
MAX_FUNCTION_LINES = 60


def source_files() -> list[Path]:
    """Every Python file of the package."""
    return sorted(SOURCE.rglob("*.py"))


def room_of(module: str) -> str:
    """`underpass.tunnel.protocol.frames` is in the room `tunnel.protocol`."""
    parts = module.split(".")[1:]
    if parts[:2] == ["tunnel", "protocol"]:
        return "tunnel.protocol"
    return parts[0] if parts else ""


def module_of(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """The dotted names that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", source_files(), ids=module_of)
def test_imports_point_down(path: Path) -> None:
    """A file imports only the rooms that its room may know."""
    room = room_of(module_of(path))
    if room in {"", "__main__"}:
        return
    allowed = MAY_IMPORT[room] | {"core", room, ""}
    if room == "tunnel.protocol":
        allowed |= {"tunnel"}  # the package's own __init__, which imports nothing
    known = {room_of(name) for name in imports_of(path) if name.startswith("underpass.")}
    used = {name for name in known if name in MAY_IMPORT}
    assert used <= allowed, f"{module_of(path)} imports {sorted(used - allowed)}"


@pytest.mark.parametrize("path", source_files(), ids=module_of)
def test_only_the_store_knows_sqlalchemy(path: Path) -> None:
    """Nobody else meets a table, a row or a database session."""
    if room_of(module_of(path)) == "store":
        return
    assert not [
        name for name in imports_of(path) if name.split(".")[0] in {"sqlalchemy", "alembic"}
    ]


@pytest.mark.parametrize("path", source_files(), ids=module_of)
def test_the_base_install_stays_light(path: Path) -> None:
    """The agent's rooms need nothing that only the hub's extra installs."""
    if room_of(module_of(path)) not in BASE_ROOMS or module_of(path) in OF_A_HUB:
        return
    heavy = {name.split(".")[0] for name in imports_of(path)} & HUB_ONLY_PACKAGES
    assert not heavy


@pytest.mark.parametrize(
    "path", sorted((SOURCE / "tunnel" / "protocol").rglob("*.py")), ids=module_of
)
def test_the_protocol_is_pure(path: Path) -> None:
    """Bytes, events and the time come in as arguments; nothing is fetched from outside."""
    impure = {name.split(".")[0] for name in imports_of(path)} & IMPURE_MODULES
    assert not impure


def test_only_config_reads_the_environment() -> None:
    """`os.environ` and `os.getenv` stand in config/ alone, and where a child gets its own."""
    passes_it_to_a_child = {
        "underpass.clusters.local",
        "underpass.agent.child",
        "underpass.agent.command",
        "underpass.cli.demo",
    }
    readers = {
        module_of(path)
        for path in source_files()
        if "os.environ" in path.read_text() or "os.getenv" in path.read_text()
    }
    of_config = {name for name in readers if room_of(name) == "config"}
    assert readers - of_config <= passes_it_to_a_child


def test_an_agent_never_loads_the_hub() -> None:
    """Importing the agent's command brings in no room of the hub and no heavy package."""
    code = (
        "import sys, underpass.agent.run; from underpass.cli.main import COMMANDS, load;"
        "load(COMMANDS['tunnel']); load(COMMANDS['agent']);"
        "print(*sorted({m.split('.')[0] for m in sys.modules}"
        " | {'.'.join(m.split('.')[:2]) for m in sys.modules if m.startswith('underpass.')}))"
    )
    loaded = set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )
    assert not loaded & HUB_ONLY_PACKAGES
    assert not loaded & {f"underpass.{room}" for room in ("hub", "store", "gateway", "chat")}


def test_the_hub_never_loads_a_reader_of_documents() -> None:
    """They take memory and time, and belong into the process that reads one document."""
    code = "import sys, underpass.hub.app; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )
    assert "underpass" in loaded
    assert not loaded & {"pypdf", "docx", "openpyxl", "pptx", "lxml", "PIL"}
    # Nor what only some hubs and few requests need (docs/decisions/0011).
    assert not loaded & {"authlib", "joserfc", "segno"}


def tracked_test_files() -> list[Path]:
    """Every Python file of the tests."""
    return sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize(
    "path", source_files() + tracked_test_files(), ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_room_is_too_large_to_live_in(path: Path) -> None:
    """Files and functions stay within what a reader can hold in the head."""
    text = path.read_text()
    is_test = ROOT / "tests" in path.parents
    assert text.count("\n") <= (MAX_TEST_FILE_LINES if is_test else MAX_FILE_LINES)
    if is_test:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


def test_tests_mirror_the_source() -> None:
    """tests/<room>/test_<file>.py tests <room>/<file>.py, and nothing that is not there."""
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    strays = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        parts = path.relative_to(ROOT / "tests").parts
        if parts[0] not in rooms:
            continue
        mirrored = SOURCE.joinpath(*parts[:-1], parts[-1].removeprefix("test_"))
        if parts[-1] == "test_main.py" and not mirrored.exists():
            mirrored = mirrored.with_name("__main__.py")
        if not mirrored.exists() and not mirrored.with_suffix("").is_dir():
            strays.append("/".join(parts))
    assert not strays


def test_every_test_says_what_it_proves() -> None:
    """A test without a sentence makes the next reader guess."""
    silent = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("test_") and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not silent


def test_no_fixed_sleeps_in_tests() -> None:
    """A test waits for a condition; a sleep is only a step of a poll in tests/rig."""
    sleepers = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                call = ast.unparse(node.func)
                if call == "time.sleep" or call.endswith("wait_for_timeout"):
                    sleepers.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not sleepers


def test_no_test_skips_by_itself() -> None:
    """tests/rig/needs.py skips, and with `CI` set it fails instead: nothing is left out unseen."""
    skippers = []
    for path in tracked_test_files():
        if path == ROOT / "tests" / "rig" / "needs.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "importorskip"}:
                skippers.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not skippers


def test_decisions_are_numbered_one_by_one() -> None:
    """Code and notes name a decision by its number, so each has one of its own, in its title too."""
    notes = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    titles = [note.read_text().splitlines()[0] for note in notes if note.name != "README.md"]
    names = [note.name for note in notes if note.name != "README.md"]
    numbers = [f"{number:04}" for number in range(1, len(names) + 1)]
    assert [name[:4] for name in names] == numbers
    assert [title.split()[1] for title in titles] == numbers
