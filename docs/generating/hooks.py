"""Every hook that a plugin may implement, as `ftcore/hookspecs.py` has them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from ftcore import hookspecs
from generating import head


def page() -> str:
    """The page."""
    text = (
        f"This is version {hookspecs.API_VERSION} of the\ncontract; [plugins](plugins.md) says where a plugin lies, and"
        " shows whole ones."
    )
    return "\n".join([head("Hooks", text), *(part for hook in _hooks() for part in _hook(hook))])


def _hooks() -> Iterator[Callable[..., Any]]:
    """In the order of the module."""
    for name, found in vars(hookspecs).items():
        if name.startswith("ftcore_"):
            yield found


def _hook(hook: Callable[..., Any]) -> Iterator[str]:
    """Its signature and its docstring."""
    signature = inspect.signature(hook)
    arguments = ", ".join(f"{name}: {one.annotation}" for name, one in signature.parameters.items())
    yield f"## `{hook.__name__}({arguments}) -> {signature.return_annotation}`\n"
    yield f"{inspect.getdoc(hook)}\n"
