"""What several routers share: paging, and a person as the API shows one."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from underpass.hub.auth import Browser
from underpass.hub.auth.requests import address_of
from underpass.store import clean_text

T = TypeVar("T")

After = Annotated[str | None, Query(description="The `next` of the part before.", max_length=200)]
Limit = Annotated[int, Query(description="Items in one answer.", ge=1, le=1000)]


PerMinute = Annotated[
    int | None, Field(ge=1, le=1_000_000, description="Requests to models in a minute.")
]
PerDay = Annotated[
    int | None, Field(ge=1, le=1 << 53, description="Tokens in a day of UTC, in and out.")
]


class In(BaseModel):
    """A request's body: a field that is not known is a mistake, and said so."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _mend(cls, body: object) -> object:
        """JSON can hold half a character; neither a database nor an answer can."""
        try:
            return _mended(body)
        except RecursionError as error:
            raise ValueError("the body is nested too deep") from error


class LimitsShape(In):
    """How much somebody may ask of models; null: as much as they like."""

    requests_per_minute: PerMinute = None
    tokens_per_day: PerDay = None


class ListOf(BaseModel, Generic[T]):
    """A part of a list, and the cursor of the next part (null: that was all)."""

    items: list[T]
    next: str | None = None


def _mended(value: object) -> object:
    if isinstance(value, str):
        return value if value.isascii() else clean_text(value)
    if isinstance(value, dict):
        return {_mended(key): _mended(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_mended(one) for one in value]
    return value


def browser_of(request: Request) -> Browser:
    """Who signs in, as far as the request tells."""
    return Browser(address_of(request.scope), request.headers.get("user-agent", ""))
