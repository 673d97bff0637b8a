"""What a plugin says of its task."""

from __future__ import annotations

from dataclasses import dataclass

from ftcore.spec.sections import Spec


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task as a user names it.

    Args:
        id: the name in `task:` of a spec; lower-case letters, digits and underscores.
        summary: one line for `ftcore tasks`.
        spec: the spec model; a subclass of a family's spec, which also says the family.
        metric: the metric that picks the best checkpoint unless the spec says otherwise; the family's
            own choice if not given.
    """

    id: str
    summary: str
    spec: type[Spec]
    metric: str | None = None

    @property
    def family(self) -> str:
        """The family's name."""
        return self.spec.family
