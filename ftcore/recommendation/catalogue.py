"""The bases that are known, with what is known of them, and which of them lie on this machine."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Literal

from ftcore.locate import PREFIX
from ftcore.spec.bases import packaged_models

Kind = Literal["encoder", "encoder-decoder", "decoder"]

MULTILINGUAL = "multilingual"
#: Script -> languages that are written in it; of Latin letters any other language may be.
_LANGUAGES = {
    "Chinese": {"zh"},
    "Japanese": {"ja"},
    "Korean": {"ko"},
    "Cyrillic": {"ru", "uk", "bg", "sr"},
    "Arabic": {"ar", "fa", "ur"},
}
_ELSEWHERE = set().union(*_LANGUAGES.values())


@dataclass(frozen=True)
class Base:
    """One base model.

    Args:
        ref: as `model.base` of a spec names it.
        kind: of its architecture; None where it is not in the catalogue.
        million_parameters: 0 where it is not in the catalogue.
        hidden_size: of its hidden states.
        languages: of its texts, by their two letters, or `multilingual`.
        license: as it was known when the catalogue was written; the model card decides.
        max_length: tokens that it reads.
        at_hand: what opens it without a network: a path or a package; None where nothing does.
    """

    ref: str
    kind: Kind | None = None
    million_parameters: float = 0.0
    hidden_size: int = 0
    languages: tuple[str, ...] = ()
    license: str | None = None
    max_length: int = 0
    at_hand: str | None = None


def known_bases() -> list[Base]:
    """The catalogue, the smallest first of each kind; what is on this machine by the name that opens it."""
    entries = json.loads((resources.files("ftcore.recommendation") / "catalogue.json").read_text("utf-8"))
    packaged = packaged_models()
    found = []
    for entry in entries:
        package, hub = entry.pop("package", None), entry.pop("hub")
        base = Base(ref=hub, **{**entry, "languages": tuple(entry["languages"])})
        if package is not None and f"{PREFIX}{package}" in packaged:
            base = replace(base, ref=f"{PREFIX}{package}", at_hand=f"{PREFIX}{package}")
        else:
            base = replace(base, at_hand=_in_cache(hub))
        found.append(base)
    there = {base.ref for base in found}
    return found + [Base(ref=ref, at_hand=ref) for ref in packaged if ref not in there]


def _in_cache(hub: str) -> str | None:
    """The folder in which an earlier download of a model lies."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:  # it comes with transformers
        return None
    config = try_to_load_from_cache(hub, "config.json")
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return str(folder) if next(folder.glob("*.safetensors"), None) else None


def fitting(
    bases: Iterable[Base],
    *,
    generates: bool,
    script: str | None,
    languages: Sequence[str],
    licenses: Collection[str],
) -> list[Base]:
    """Those that can be fine-tuned for a task; of a base that nothing is known of, all is assumed.

    Args:
        generates: whether its answers are texts that are generated.
        script: of its texts.
        languages: of its texts, where they were named: a base that has all of them.
        licenses: that may be; empty for any.
    """
    kinds = ("encoder-decoder", "decoder") if generates else ("encoder",)
    return [
        base
        for base in bases
        if base.kind is None
        or (
            base.kind in kinds
            and _reads(base, script, languages)
            and (not licenses or (base.license or "").lower() in licenses)
        )
    ]


def _reads(base: Base, script: str | None, languages: Sequence[str]) -> bool:
    if MULTILINGUAL in base.languages:
        return True
    if languages:
        return {*languages} <= {*base.languages}
    written = _LANGUAGES.get(script or "")
    return bool(written & {*base.languages}) if written else bool({*base.languages} - _ELSEWHERE)
