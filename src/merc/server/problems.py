"""Errors as problem documents (RFC 9457): what the command would print is the ``detail``."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from merc.errors import InputError, MercError, MissingExtra, OutputError, ProtocolError, WeightError
from merc.formats.source import shown

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger(__name__)

_EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "string_unicode": "text without halves of characters",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "dict_type": "an object",
    "model_attributes_type": "an object, sent as JSON with 'Content-Type: application/json'",
    "union_tag_invalid": "one of {expected_tags} as its kind",
    "union_tag_not_found": "an object with a kind",
}
"""Kinds of validation errors, in the words of ``merc.options``."""
_UNREAD = "There was an error parsing the body"  # what FastAPI says of JSON that exhausts the parser


class ProblemDocument(BaseModel):
    """Why a request was refused or failed."""

    type: str = Field("about:blank", description="Kind of problem; about:blank: that of the status code.")
    title: str = Field(description="Name of the status code.")
    status: int = Field(description="Status code.")
    detail: str = Field(description="The thing, the value, what was expected, and the next step.")


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Refused or failed, with the reason",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
    }
}
"""What every route may answer, for the description of the API."""


class Problem(HTTPException):
    """A refusal with its status code, the sentence that says why, and headers.

    Example:
        >>> Problem(404, "analysis 'x' does not exist").detail
        "analysis 'x' does not exist"
    """


def status_of(error: MercError) -> int:
    """The status code of an error: 422 for whatever was wrong with the input, 507 if results cannot be written."""
    if isinstance(error, InputError | MissingExtra | ProtocolError | WeightError):
        return 422
    return 507 if isinstance(error, OutputError) else 500


def unexpected(error: Exception, where: str) -> Problem:
    """The problem of an error that merc does not know, which is logged with the place where it came up."""
    _LOG.error("%s", where, exc_info=error)
    return Problem(
        500, f"{type(error).__name__}: merc did not expect this; the server's log says more, please report it"
    )


def response(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem document as a response."""
    readable = detail.encode("utf-8", "replace").decode()  # what is quoted may hold half a character
    document = ProblemDocument(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=readable)
    return JSONResponse(document.model_dump(), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of an app a problem document, also in its description."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        document = plain()
        document["components"]["schemas"]["ProblemDocument"] = ProblemDocument.model_json_schema()
        return document

    app.openapi = described  # type: ignore[method-assign]
    app.exception_handler(MercError)(_merc)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(Exception)(_unexpected)


def in_words(error: dict[str, Any]) -> str:
    """A validation error of pydantic in the words of the command.

    Example:
        >>> in_words({"type": "int_parsing", "loc": ("body", "speakers"), "input": "two", "msg": "…"})
        "speakers is 'two': expected a whole number"
    """
    name = ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")) or "the body"
    kind = error["type"]
    if kind == "missing":
        return f"{name} is missing: see /openapi.json for what the request has to hold"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown field '{name}': see /openapi.json for those that are known"
    if kind == "json_invalid":
        return f"the body is not JSON: {error.get('ctx', {}).get('error', 'it cannot be read')}"
    value = shown(given.decode("utf-8", "replace") if isinstance(given := error.get("input"), bytes) else given, 80)
    if kind == "literal_error":
        return f"{name} is '{value}': expected {error['ctx']['expected']}"
    if kind in _EXPECTED:
        return f"{name} is '{value}': expected {_EXPECTED[kind].format_map(error.get('ctx', {}))}"
    return f"{name} is '{value}': {_lowered(error['msg'])}"


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _merc(request: Request, error: MercError) -> JSONResponse:
    return response(status_of(error), str(error))


def _http(request: Request, error: HTTPException) -> JSONResponse:
    detail = str(error.detail)
    if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"there is nothing at {shown(request.url.path, 200)}: see /openapi.json for the routes"
    if error.status_code == 400 and detail == _UNREAD:
        detail = "the body cannot be read: expected JSON that is not nested so deeply"
    if error.status_code == 405:
        detail = f"{request.method} is not possible at {shown(request.url.path, 200)}: see /openapi.json for the routes"
    return response(error.status_code, detail, dict(error.headers or {}))


def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    return response(422, "; ".join(in_words(one) for one in error.errors()[:5]))


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    refused = unexpected(error, f"{request.method} {request.url.path}")
    return response(refused.status_code, refused.detail)
