"""Responses in pieces, so that a large one is limited while it is made, and made without holding the event loop up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

#: The pieces of a body, and the headers.
Rendered = tuple[Iterable[bytes], Mapping[str, str]]

JSON = {"content-type": "application/json"}
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def json_bytes(value: object) -> bytes:
    """JSON in UTF-8, without spaces."""
    return _ENCODER.encode(value).encode()
