"""A plain HTTP client for tests: what came back, as it came, without a library's opinions."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """One whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error of a `/v1` answer."""
        found: dict[str, Any] = self.json()["error"]
        return found


class Api:
    """Calls one server, signed in with a key (or with none)."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url
        self.key = key
        self._place = urlsplit(url).netloc

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> Answer:
        """Sends JSON (or bytes as they are) and reads the whole answer. The path is not normalised."""
        sent = dict(headers or {})
        if self.key and "authorization" not in {name.lower() for name in sent}:
            sent["Authorization"] = f"Bearer {self.key}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self._place, timeout=timeout_s)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **more: Any) -> Answer:
        return self.call("GET", path, **more)

    def post(self, path: str, body: object = None, **more: Any) -> Answer:
        return self.call("POST", path, body if body is not None else {}, **more)

    def items(self, path: str) -> list[dict[str, Any]]:
        """The items of a list; fails on anything but 200."""
        answer = self.get(path)
        assert answer.status == 200, (path, answer)
        found: list[dict[str, Any]] = answer.json()["items"]
        return found
