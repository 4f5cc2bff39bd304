"""Why a sign-in by an issuer came to nothing: a code, a sentence, what to do.

The words hold nothing that came from outside: the page shows them by the code in its address.
"""

from __future__ import annotations

from underpass.core.errors import NotAuthenticated, ProviderError

WORDS: dict[str, tuple[str, str]] = {
    "openid_unreachable": (
        "{label} does not answer.",
        "Try again in a moment; if it stays so, tell an admin of the hub.",
    ),
    "openid_misconfigured": (
        "What {label} says about itself does not fit the hub's settings.",
        "Tell an admin of the hub: the cause is in the hub's log.",
    ),
    "openid_code_refused": (
        "{label} did not accept the hub's question about you.",
        "Sign in again; if it stays so, tell an admin of the hub.",
    ),
    "openid_state": (
        "This sign-in was begun in another browser or tab, was used already, or is too old.",
        "Sign in again from here.",
    ),
    "openid_refused": ("{label} did not sign you in.", "Sign in again, or ask there why."),
    "openid_token_invalid": (
        "The hub cannot verify what {label} says about you.",
        "Sign in again; if it stays so, tell an admin of the hub.",
    ),
    "openid_other_issuer": (
        "The answer was not from {label}, so it was not believed.",
        "Sign in again; if it stays so, tell an admin of the hub.",
    ),
    "openid_wrong_audience": (
        "What {label} says about you is meant for another service, so it was not believed.",
        "Sign in again; if it stays so, tell an admin of the hub.",
    ),
    "openid_clock": (
        "What {label} says about you is out of date, or from the future.",
        "Sign in again; if it stays so, the hub's clock or the issuer's is wrong: tell an admin.",
    ),
    "openid_claims_missing": (
        "{label} does not say enough about you.",
        "Tell an admin of the hub: which claim is missing is in the hub's log.",
    ),
    "openid_address_unverified": (
        "{label} has not verified your address.",
        "Verify it there, then sign in again.",
    ),
    "openid_domain_not_allowed": (
        "Your address is not of a domain that this hub lets in.",
        "Sign in with another account, or ask an admin of the hub.",
    ),
    "openid_no_account": (
        "You have no account on this hub.",
        "Ask an admin of the hub for one.",
    ),
    "openid_address_taken": (
        "There is an account with your address already, and {label} may not open it.",
        "Sign in as you did before, or ask an admin of the hub.",
    ),
    "user_disabled": ("This user is disabled.", "Ask an admin of the hub."),
}

_AT_THE_ISSUER = {"openid_unreachable", "openid_misconfigured", "openid_code_refused"}


class SignInRefused(NotAuthenticated):
    """Somebody was not let in. `cause` is for the log: never a claim's value.

    Not `is_noted`: any stranger can bring it about as often as they like, so it is no line of the trail.
    """

    def __init__(self, code: str, label: str, cause: str = "", *, is_noted: bool = True) -> None:
        message, hint = said(code, label)
        super().__init__(message, code=code, hint=hint)
        self.cause = cause
        self.is_noted = is_noted


class IssuerTrouble(ProviderError):
    """The issuer is away or wrongly set up. `cause` is for the log."""

    is_noted = True

    def __init__(self, code: str, label: str, cause: str = "") -> None:
        message, hint = said(code, label)
        super().__init__(message, code=code, hint=hint)
        self.cause = cause


def refused(code: str, label: str, cause: str = "") -> SignInRefused | IssuerTrouble:
    """The error of a code of WORDS."""
    kind = IssuerTrouble if code in _AT_THE_ISSUER else SignInRefused
    return kind(code, label, cause)


def said(code: str, label: str) -> tuple[str, str]:
    """Sentence and hint of a code of WORDS."""
    message, hint = WORDS[code]
    return message.format(label=label), hint
