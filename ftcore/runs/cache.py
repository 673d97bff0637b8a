"""Where rows, features and other derived data are kept between runs, and who may make them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ftcore.files import locked


def cache_dir() -> Path:
    """Where parsed and tokenised data and templates of graphs are kept: $FTCORE_CACHE, or ~/.cache/ftcore."""
    return Path(os.environ.get("FTCORE_CACHE") or Path.home() / ".cache" / "ftcore")


def digest_of(parts: Sequence[Any]) -> str:
    """32 hexadecimal digits that are the same for equal parts; these are whatever JSON can hold."""
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()[:32]


def one_at_a_time(parts: Sequence[Any]) -> AbstractContextManager[None]:
    """Of several processes that need the same thing from the cache, one makes it, and the others wait for it."""
    return locked(cache_dir() / "locks" / digest_of(parts))
