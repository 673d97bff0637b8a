"""What pip installs where a packaged bundle is served: releases of an index, or wheels that go with the package."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ftcore_runtime.errors import UserError
from ftcore_runtime.installed import normal


@dataclass(frozen=True)
class Installation:
    """Distributions to install.

    Args:
        requirements: distribution -> what pip calls it in an index: `ftcore[serve]==1.0`.
        wheels: distribution -> the wheel that takes the place of its release in the index.
    """

    requirements: Mapping[str, str]
    wheels: Mapping[str, Path]

    @classmethod
    def of(cls, requirements: Mapping[str, str], wheels: Sequence[Path]) -> Installation:
        """Each wheel by its distribution.

        Raises:
            UserError: a wheel is of none of them.
        """
        given = {normal(wheel.name.partition("-")[0]): wheel for wheel in wheels}
        found = {name: given.pop(normal(name)) for name in requirements if normal(name) in given}
        for wheel in given.values():
            raise UserError(f"is no wheel of {' or '.join(requirements)}", where=str(wheel))
        return cls(requirements, found)

    def lines(self, folder: str) -> list[str]:
        """What pip is given, one for each distribution.

        Args:
            folder: where the wheels lie when pip runs, with the slash at its end.
        """
        return [
            f"{folder}{self.wheels[name].name}{_extra(name, requirement)}"
            if name in self.wheels
            else requirement
            for name, requirement in self.requirements.items()
        ]

    def copy_to(self, folder: Path) -> None:
        """Copy the wheels.

        Raises:
            UserError: one cannot be read.
        """
        for wheel in self.wheels.values():
            folder.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(wheel, folder / wheel.name)
            except OSError as error:
                raise UserError(f"cannot be read: {error.strerror}", where=str(wheel)) from None

    @property
    def unpublished(self) -> list[str]:
        """Distributions without a wheel that were installed here from elsewhere than an index: it may lack them."""
        return [name for name in self.requirements if name not in self.wheels and not _from_index(name)]


def _extra(name: str, requirement: str) -> str:
    return requirement.partition("==")[0].removeprefix(name)


def _from_index(name: str) -> bool:
    """Whether pip took the installed distribution from an index: from elsewhere it notes the address (PEP 610)."""
    try:
        return metadata.distribution(name).read_text("direct_url.json") is None
    except metadata.PackageNotFoundError:
        return True
