"""The web UI: the files that Vite built, and index.html for every page's address.

Hashed assets are cached for ever, everything else is asked about each time. Files are read on first
use and kept, compressed once: the whole UI is small, and a hub serves it from memory.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from underpass.hub.auth.requests import header
from underpass.hub.http import Receive, Scope, Send

STATIC = Path(__file__).parent / "static"
MANUAL = Path(__file__).parents[1] / "manual"

PAGES = (
    *("/admin", "/chat", "/clusters", "/connect", "/manual", "/providers", "/sessions"),
    *("/settings", "/setup", "/shared", "/sign-in", "/tools", "/usage"),
)
"""Addresses of pages, each with all below it; `/` is one as well."""

_IMMUTABLE = b"public, max-age=31536000, immutable"
_ASK_EACH_TIME = b"no-cache"
_WORTH_COMPRESSING = ("text/", "application/javascript", "application/json", "image/svg+xml")
_TYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".md": "text/markdown; charset=utf-8"}

_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Underpass</title>
<h1>The web pages are not built</h1>
<p>This hub runs from a checkout. Build its pages once with <code>make setup</code>, then reload.</p>
<p>Everything else works: the API, the gateway at <code>/v1</code>, and tunnels.</p></html>
"""


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    compressed: bytes | None
    media_type: str
    etag: str
    caching: bytes


class StaticFiles:
    """An ASGI callable for everything that is neither API nor gateway."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder
        self._files: dict[str, tuple[int, _File]] = {}

    def has(self, path: str) -> bool:
        """Whether this address is ours to answer."""
        return self._find(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers GET and HEAD of an address that `has` said yes to."""
        found = self._find(str(scope["path"]))
        assert found is not None, "the app asks has() first"
        headers = [
            (b"content-type", found.media_type.encode()),
            (b"cache-control", found.caching),
            (b"etag", found.etag.encode()),
            (b"vary", b"accept-encoding"),
        ]
        if header(scope, b"if-none-match") == found.etag:
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await _send(scope, send, found, headers)

    async def not_here(self, scope: Scope, send: Send) -> None:
        """Answers a person's browser at an address that is nothing: the UI says so, in words."""
        page = self._index()
        headers = [(b"content-type", page.media_type.encode()), (b"cache-control", b"no-store")]
        await _send(scope, send, page, headers, status=404)

    def _index(self) -> _File:
        page = self._load(self._folder, "index.html")
        return page or _made(_NOT_BUILT.encode(), "text/html; charset=utf-8")

    def _find(self, path: str) -> _File | None:
        if path == "/manual/pages.json":
            return _made(json.dumps({"items": manual_pages()}).encode(), "application/json")
        if path.startswith("/manual/") and path.endswith(".md"):
            return self._load(MANUAL, path.removeprefix("/manual/"))
        if not path.startswith("/assets/") and (path == "/" or _is_page(path)):
            return self._index()
        return self._load(self._folder, path.removeprefix("/"))

    def _load(self, folder: Path, name: str) -> _File | None:
        # No segment may lead outside or to a hidden file; what is left is looked up as it is.
        if not name or any(part in ("", ".", "..") or part[0] == "." for part in name.split("/")):
            return None
        if "\\" in name or "\x00" in name:
            return None
        file = folder / name
        try:
            stamp = file.stat().st_mtime_ns if file.is_file() else 0
        except OSError:
            return None
        if not stamp:
            return None
        kept = self._files.get(str(file))
        if kept is None or kept[0] != stamp:
            is_hashed = name.startswith("assets/")
            loaded = _made(
                file.read_bytes(), _type_of(file), _IMMUTABLE if is_hashed else _ASK_EACH_TIME
            )
            kept = self._files[str(file)] = (stamp, loaded)
        return kept[1]


def manual_pages() -> list[dict[str, str]]:
    """Name and title of each page of the manual, sorted by name."""
    pages = []
    for file in sorted(MANUAL.glob("*.md")):
        first = file.read_text().partition("\n")[0]
        pages.append({"name": file.stem, "title": first.lstrip("# ").strip() or file.stem})
    return pages


def wants_page(scope: Scope) -> bool:
    """Whether a person's browser goes there, and not a program or a part of a page."""
    return scope["method"] == "GET" and "text/html" in (header(scope, b"accept") or "")


async def _send(
    scope: Scope, send: Send, file: _File, headers: list[tuple[bytes, bytes]], status: int = 200
) -> None:
    body = file.body
    if file.compressed and "gzip" in (header(scope, b"accept-encoding") or ""):
        body = file.compressed
        headers.append((b"content-encoding", b"gzip"))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    sent = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": sent})


def _is_page(path: str) -> bool:
    return any(path == page or path.startswith(page + "/") for page in PAGES)


def _type_of(file: Path) -> str:
    known = _TYPES.get(file.suffix)
    if known is not None:
        return known
    guessed = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


def _made(body: bytes, media_type: str, caching: bytes = _ASK_EACH_TIME) -> _File:
    is_worth_it = len(body) > 1000 and media_type.startswith(_WORTH_COMPRESSING)
    compressed = gzip.compress(body, 9, mtime=0) if is_worth_it else None
    etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    return _File(body, compressed, media_type, etag, caching)
