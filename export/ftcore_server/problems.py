"""Errors as clients see them: a status, a code for programs, a sentence without internals, a correlation id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ftcore_runtime.errors import InputError

#: Status -> code, of the statuses that routing itself gives.
_CODES = {404: "not_found", 405: "method_not_allowed"}


class Problem(Exception):
    """A request that is not answered as asked.

    Args:
        status: of HTTP.
        code: a word for programs.
        message: a sentence for people; it quotes nothing that a user wrote but names of models and fields.
        headers: to be sent with it.
        close: whether the connection ends with it, as where the body was not read to its end.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = {**(headers or {}), **({"connection": "close"} if close else {})}


def invalid(message: str) -> Problem:
    """400: the request is not what the endpoint reads."""
    return Problem(400, "invalid", message)


def as_problem(error: Exception) -> Problem:
    """What a client learns of any error; of one that nobody expected, nothing."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        code = _CODES.get(error.status_code, "invalid")
        return Problem(error.status_code, code, error.detail, headers=error.headers)
    if isinstance(error, InputError):
        return invalid(f"{error.where}: {error.what}" if error.where else error.what)
    return Problem(500, "internal", "the request could not be answered")


def described(problem: Problem, request_id: str) -> dict[str, Any]:
    """`{"error", "code", "request_id"}`: `error` is a sentence, as the Open Inference Protocol has it."""
    return {"error": problem.message, "code": problem.code, "request_id": request_id}


def response(problem: Problem, request_id: str) -> JSONResponse:
    """The problem as a response."""
    return JSONResponse(described(problem, request_id), problem.status, dict(problem.headers))
