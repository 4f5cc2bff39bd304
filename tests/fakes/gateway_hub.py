"""A hub's gateway over a real link, with the agent in the test's hands."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fakes.asgi import Exchange
from tests.fakes.linked import LinkedPair
from tests.fakes.registry import ANN, BOB, tunnel
from underpass.core.errors import NotAuthenticated
from underpass.core.principal import Principal
from underpass.core.states import ProviderStatus
from underpass.gateway.door import Door
from underpass.gateway.limits import GatewayLimits
from underpass.gateway.routes import GatewayApp
from underpass.registry.live import ProviderView, Registry

CHAT = "/v1/chat/completions"


@dataclass
class Hub:
    """ann has the provider `gpu` with `qwen` behind `pair`; bob has nothing."""

    pair: LinkedPair
    registry: Registry
    door: Door
    app: GatewayApp
    view: ProviderView
    people: dict[str, Principal] = field(default_factory=dict)

    def post(
        self, target: str = CHAT, body: bytes | None = b'{"model": "gpu/qwen"}', **headers: str
    ) -> Exchange:
        """A POST by ann; header names with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Exchange(self.app, "POST", target, body=body, headers=named)

    def get(self, target: str, who: str = "ann", method: str = "GET") -> Exchange:
        """A request without a body."""
        headers = {"authorization": f"Bearer {who}", "content-type": "", "content-length": ""}
        return Exchange(self.app, method, target, headers=headers)

    def set_status(self, status: str, **changes: Any) -> None:
        """Changes the provider's picture."""
        self.registry.put_provider(replace(self.view, status=ProviderStatus(status), **changes))


async def make_hub(pair: LinkedPair, limits: GatewayLimits) -> Hub:
    """A hub whose provider `gpu` is behind `pair`."""
    registry = Registry()
    view = tunnel("gpu", "qwen", "org/llama:8b")
    registry.put_provider(view)
    assert view.tunnel_id
    registry.bind_tunnel(view.tunnel_id, pair.hub)
    people = {"ann": ANN, "bob": BOB, "root": Principal("usr_root", "root", is_admin=True)}

    async def authenticate(scope: MutableMapping[str, Any]) -> Principal:
        given = dict(scope["headers"])
        name = given.get(b"x-api-key", given.get(b"authorization", b"").removeprefix(b"Bearer "))
        if name.decode() not in people:
            raise NotAuthenticated("The key is wrong, revoked or expired.", code="key_invalid")
        return people[name.decode()]

    door = Door(registry, limits)
    return Hub(pair, registry, door, GatewayApp(door, authenticate), view, people)
