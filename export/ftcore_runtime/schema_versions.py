"""The versions of `bundle.json`: what each could not say, and how an earlier one is read as the newest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import Fields

MANIFEST = "bundle.json"
#: Every earlier one is read as well: see `upgrade`.
SCHEMA_VERSION = 5
#: The last that could say neither the training source nor how rows are measured nor what a variant decodes differently.
WITHOUT_SOURCE = 4
#: The last that did not name the decoder's distribution, and what it could not say.
WITHOUT_PROVIDER = 3
WITHOUT_TARGET_TOKENIZER = 2
WITHOUT_FAILURES = 1
#: What every exporter writes to `provenance` that records failures: a manifest that has it and none was changed.
WITH_FAILURES = ("export", "metric")


def upgrade(value: object) -> object:
    """A manifest with every key that an earlier version had not and this one needs; what was not recorded is unknown.

    `schema_version` stays what it was.
    """
    fields = Fields(value, MANIFEST)
    version = fields.take("schema_version", int)
    if not 1 <= version <= SCHEMA_VERSION:
        raise BundleError(
            f"schema version {version} is not one of 1 to {SCHEMA_VERSION}, which this ftcore reads",
            where=MANIFEST,
            hint="a newer ftcore may read it",
        )
    if version > WITHOUT_PROVIDER:
        return value
    _require_its_writers(fields, version)
    decoder = dict(fields.mapping("decoder"))
    family = decoder.pop("family", None)  # which named the decoder too
    if family != fields.text("family"):
        raise BundleError("the decoder is of another family", where=MANIFEST)
    return {**cast(Mapping[str, Any], value), "decoder": {"name": family, **decoder}}


def _require_its_writers(fields: Fields, version: int) -> None:
    """Refuse a version that was lowered: then what the exporter recorded would count as unknown."""
    provenance, encoder = fields.mapping("provenance"), fields.mapping("encoder")
    known = [key for key in WITH_FAILURES if version == WITHOUT_FAILURES and key in provenance]
    if version <= WITHOUT_TARGET_TOKENIZER and "target_tokenizer" in encoder:
        known.append("target_tokenizer")
    if known:
        raise BundleError(
            f"says schema version {version}, and holds {known[0]!r}, which only exporters of later versions write",
            where=MANIFEST,
            hint="the manifest was changed after export; copy or export the bundle again",
        )
