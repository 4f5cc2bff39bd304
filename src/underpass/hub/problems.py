"""Errors of `/api` and of the pages: RFC 9457 problem documents with a stable `code`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from underpass.core.errors import AppError, InvalidRequest, TooLarge

MEDIA_TYPE = "application/problem+json"

_CODES = {404: "not_found", 405: "method_not_allowed"}


def document(error: AppError, request_id: str) -> dict[str, Any]:
    """The problem document of an error: what `/api` answers and what the CLI reads."""
    status = error.http_status
    return {
        **error.fields,
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "code": error.code,
        "hint": error.hint,
        "request_id": request_id,
    }


def answer(error: AppError, request_id: str) -> Response:
    """The whole HTTP answer to an error."""
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if error.http_status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        json.dumps(document(error, request_id)),
        status_code=error.http_status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def plain(status: int, code: str, message: str, hint: str | None = None) -> AppError:
    """An error of the HTTP layer that no room has a class for (405, 426, …)."""

    class Plain(AppError):
        http_status = status

    return Plain(message, code=code, hint=hint)


def our_mistake() -> AppError:
    """What a caller is told of an error that nobody thought of."""
    return AppError(
        "The hub made a mistake.",
        hint="Try again; an admin finds the cause in the hub's log by the request id.",
    )


def install(app: FastAPI) -> None:
    """Every error that a route raises leaves as a problem document."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    # Raised again after it is answered, so that `hub.http` writes it down.
    app.add_exception_handler(Exception, _our_error)


def request_id_of(scope: Any) -> str:
    """The id that `hub.http` gave this request."""
    return str(scope.get("underpass.request_id", ""))


async def _app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    return answer(error, request_id_of(request.scope))


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(one.get("type") == "json_invalid" for one in error.errors()):
        problem = InvalidRequest(
            "The body is not valid JSON.", hint="Send one JSON document in UTF-8."
        )
        return answer(problem, request_id_of(request.scope))
    faults = [_fault(one) for one in error.errors()]
    first = faults[0] if faults else {"field": "", "message": "The request is malformed"}
    where = f"{first['field']}: " if first["field"] else ""
    problem = InvalidRequest(
        f"The request does not fit: {where}{first['message']}.",
        hint="See /api/openapi.json for what this route takes.",
        errors=faults,
    )
    return answer(problem, request_id_of(request.scope))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "http_error")
    problem: AppError
    if error.status_code == 404:
        problem = plain(404, code, "There is nothing at this address.")
    elif error.status_code == 400:
        problem = InvalidRequest("The body cannot be read.", hint="Send JSON in UTF-8.")
    elif error.status_code == 413:
        problem = TooLarge("The request is too large.", hint="Send less at once.")
    elif error.status_code == 405:
        problem = plain(405, code, "This address does not take that method.")
    else:
        problem = plain(error.status_code, code, HTTPStatus(error.status_code).phrase + ".")
    found = answer(problem, request_id_of(request.scope))
    found.headers.update({k: v for k, v in (error.headers or {}).items() if k.lower() == "allow"})
    return found


async def _our_error(request: Request, error: Exception) -> Response:
    return answer(our_mistake(), request_id_of(request.scope))


def _fault(one: Any) -> dict[str, str]:
    """Where and what, without the value that was sent: it may be a secret in the wrong place."""
    place: Sequence[Any] = one.get("loc", ())
    names = [str(part) for part in place if part not in ("body", "query", "path", "header")]
    return {"field": ".".join(names), "message": str(one.get("msg", "")).rstrip(".")}
