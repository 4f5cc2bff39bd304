"""The web UI's files, over real HTTP."""

import gzip
import re
from pathlib import Path

import pytest

from tests.hub.conftest import RunningHub
from tests.rig.needs import missing
from underpass.hub.static import PAGES, STATIC, StaticFiles, manual_pages

# What a document fetches by itself, what of that is not ours, and what a script fetches.
FETCHED = re.compile(r"""(?:\bsrc=|\bhref=|url\(|@import\s+)["']?([^"'\s>)]+)""")
ELSEWHERE = re.compile(r"(?:[a-z]+:)?//")
CALLED = re.compile(
    r"""(?:fetch|import|EventSource|sendBeacon|\.src=)\(?["'`](?:https?:)?//[^"'`]*"""
)

ROOT = Path(__file__).parents[2]
INDEX = "<!doctype html><title>Underpass</title>"
SCRIPT = "console.log('underpass');" * 100


@pytest.fixture
def ui(hub: RunningHub, tmp_path: Path) -> Path:
    """A built UI in the place of the package's."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "app-1a2b3c.js").write_text(SCRIPT)
    (folder / ".secret").write_text("x")
    (tmp_path / "outside.txt").write_text("outside")
    hub.hub.app._inner._static._folder = folder  # type: ignore[attr-defined]
    return folder


async def test_every_page_is_the_one_document(hub: RunningHub, ui: Path) -> None:
    """Addresses of pages can be reloaded and shared; they are asked about each time."""
    program = await hub.program()
    for page in ("/", *PAGES, "/chat/cht_1", "/sessions/ses_1/log", "/connect?code=BCDF-2345"):
        answer = await program.get(page)
        assert (answer.status, answer.body.decode()) == (200, INDEX), page
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert (await program.get("/chatty")).status == 404


def test_every_page_of_the_router_is_served() -> None:
    """What the pages' own table of addresses has can be reloaded."""
    table = (ROOT / "web" / "src" / "app.tsx").read_text()
    found = set(re.findall(r"\[/\^\\(/[a-z]+)", table))
    assert {"/sessions", "/settings"} <= found
    assert found <= set(PAGES)


async def test_a_person_at_a_wrong_address_gets_a_page(hub: RunningHub, ui: Path) -> None:
    """The UI says it in words; a program gets the problem, and the API's are never pages."""
    program = await hub.program()
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/chatty", "/assets/gone.js", "/..%2foutside.txt"):
        answer = await program.get(path, **browser)
        assert (answer.status, answer.body.decode()) == (404, INDEX), path
        assert answer.headers["Cache-Control"] == "no-store"
    for path in ("/api/nothing", "/v1/nothing"):
        answer = await program.get(path, **browser)
        assert (answer.status, answer.headers["Content-Type"][:12]) == (404, "application/"), path
    assert (await program.get("/chatty")).json()["code"] == "not_found"
    assert (await program.call("POST", "/chatty", **browser)).status == 404


async def test_hashed_files_are_kept_for_ever_and_travel_small(hub: RunningHub, ui: Path) -> None:
    """Their name changes with their content."""
    program = await hub.program()
    answer = await program.get("/assets/app-1a2b3c.js", **{"Accept-Encoding": "gzip"})
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/javascript"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert int(answer.headers["Content-Length"]) < len(SCRIPT) / 5
    plain = await program.get("/assets/app-1a2b3c.js", **{"Accept-Encoding": "identity"})
    assert plain.body.decode() == SCRIPT
    same = await program.get("/assets/app-1a2b3c.js", **{"If-None-Match": plain.headers["ETag"]})
    assert (same.status, same.body) == (304, b"")
    assert (await program.call("HEAD", "/assets/app-1a2b3c.js")).body == b""


@pytest.mark.parametrize(
    "path",
    [
        "/../outside.txt",
        "/..%2foutside.txt",
        "/%2e%2e/outside.txt",
        "/assets/../../outside.txt",
        "/assets/..%5c..%5coutside.txt",
        "/.secret",
        "/assets/",
        "/assets",
        "//etc/passwd",
        "/%00",
        "/index.html%00.js",
        "/manual/../hub/app.py.md",
        "/manual/.md",
    ],
)
def test_nothing_outside_the_folder_is_served(tmp_path: Path, path: str) -> None:
    """Whatever a path tries; also as it is after the server has decoded it."""
    from urllib.parse import unquote

    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / ".secret").write_text("x")
    (tmp_path / "outside.txt").write_text("outside")
    files = StaticFiles(folder)
    assert not files.has(path)
    assert not files.has(unquote(path))


async def test_a_new_build_is_seen(hub: RunningHub, ui: Path) -> None:
    """Without a restart."""
    program = await hub.program()
    await program.get("/")
    (ui / "index.html").write_text("<!doctype html>new")
    assert (await program.get("/")).body == b"<!doctype html>new"


async def test_without_a_build_the_page_says_what_to_do(hub: RunningHub, ui: Path) -> None:
    """And everything else works."""
    (ui / "index.html").unlink()
    program = await hub.program()
    answer = await program.get("/")
    assert answer.status == 200
    assert b"make setup" in answer.body
    assert (await program.get("/api/auth/state")).status == 200


async def test_the_manual_is_served_by_the_hub(hub: RunningHub) -> None:
    """A list with titles, and each page as Markdown."""
    program = await hub.program()
    pages = (await program.get("/manual/pages.json")).json()["items"]
    assert pages == manual_pages()
    assert {"privacy", "first-steps"} <= {page["name"] for page in pages}
    page = await program.get("/manual/privacy.md", **{"Accept-Encoding": "gzip"})
    assert page.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert page.body.startswith(b"# ") or gzip.decompress(page.body).startswith(b"# ")


def test_the_built_pages_name_no_other_host() -> None:
    """Nothing is fetched from elsewhere: no script, style, font, image or beacon."""
    if not (STATIC / "index.html").exists():
        missing("the built web UI", "make setup")
    for path in [path for path in STATIC.rglob("*") if path.suffix in (".html", ".css", ".svg")]:
        foreign = [one for one in FETCHED.findall(path.read_text()) if ELSEWHERE.match(one)]
        assert not foreign, f"{path.name}: {foreign}"
    scripts = "".join(path.read_text() for path in STATIC.rglob("*.js"))
    assert scripts
    assert not CALLED.findall(scripts)
