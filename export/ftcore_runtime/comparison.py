"""Two bundles compared: what of their manifests and files differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ftcore_runtime.bundle import read_bundle

#: Stands where one of the two has no such key.
ABSENT = "-"


class Difference(NamedTuple):
    """A value of the manifest that differs: its path (`variants/int8/bytes`), and what either says."""

    path: str
    one: Any
    other: Any


def compare_bundles(one: str | Path, other: str | Path) -> list[Difference]:
    """Everything that differs, in the order of the manifest; empty where the two are equal byte for byte.

    Raises:
        BundleError: one of them is not what its manifest says.
    """
    manifests = [read_bundle(path).manifest.to_json() for path in (one, other)]
    return list(_differences(manifests[0], manifests[1], ""))


def _differences(one: Any, other: Any, path: str) -> Iterator[Difference]:  # noqa: ANN401 (whatever JSON holds)
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            inner = f"{path}/{key}" if path else str(key)
            yield from _differences(one.get(key, ABSENT), other.get(key, ABSENT), inner)
    elif one != other or type(one) is not type(other):
        yield Difference(path, one, other)
