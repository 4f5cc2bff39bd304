"""A secret that can be carried around: no text made of the object that holds it shows it."""

from __future__ import annotations


class Secret:
    """Hides a text; `get_secret_value` is the one way to it (as pydantic's SecretStr has it)."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """The text itself: for the wire, never for a log."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('**********')"
