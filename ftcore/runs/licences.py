"""Under which licence data and base model came: as the spec says, or as they say themselves."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from ftcore.locate import PREFIX
from ftcore_runtime.files import open_regular

_FRONT_MATTER = re.compile(r"\A---[ \t\r]*\n(.*?)\n---[ \t\r]*\n", re.DOTALL)
_LICENSE = re.compile(r"^license:[ \t]*[\"']?([\w.+-]+)[\"']?[ \t]*$", re.MULTILINE)
_MOST_BYTES = 2**20  # of a README.md
_LONGEST = 100  # characters; some packages give the whole text


def licence_of(source: str | None, folder: Path | None = None, given: str | None = None) -> str | None:
    """The licence of a base model or of data; None where nobody says.

    Args:
        source: as written in the spec; of `package:<module>/...` the package's own metadata are read.
        folder: where it lies; a README.md there may name a licence in its front matter.
        given: what the spec says, which counts first.
    """
    if given:
        return given
    if folder is not None and (found := _of_card(folder / "README.md")):
        return found
    if source and source.startswith(PREFIX):
        return _of_package(source.removeprefix(PREFIX).partition("/")[0].partition(".")[0])
    return None


def _of_card(card: Path) -> str | None:
    try:
        with open_regular(card) as file:
            text = file.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        return None
    front = _FRONT_MATTER.match(text)
    found = _LICENSE.search(front[1]) if front else None
    return found[1] if found else None


def _of_package(module: str) -> str | None:
    for distribution in metadata.packages_distributions().get(module, []):
        declared = metadata.metadata(distribution)
        for key in ("License-Expression", "License"):
            if (
                key in declared
                and (value := str(declared[key])).strip() not in ("", "UNKNOWN")
                and len(value) <= _LONGEST
            ):
                return " ".join(value.split())
        for classifier in declared.get_all("Classifier") or []:
            if classifier.startswith("License :: OSI Approved :: "):
                found: str | None = classifier.rpartition(" :: ")[2]
                return found
    return None
